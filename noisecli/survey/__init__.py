"""The pass over the clean data for facts: what is asked for, what is gathered of a column, and of all files."""

from noisecli.survey.gather import Survey, settle_quota
from noisecli.survey.request import CurveRequest, QuotaRequest, Request

__all__ = ["CurveRequest", "QuotaRequest", "Request", "Survey", "settle_quota"]
