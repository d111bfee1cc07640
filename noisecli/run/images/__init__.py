"""Folders of images: what comes out of one and where, in which class, and what follows it by name.

classes: of each image · arrange: which files come out · write: strike them · tars: inside of tars · metadata, added,
labels: rows that follow · checks: what is refused of these · annotated: masks, and what is refused beside boxes ·
boxes: COCO's files follow
"""
