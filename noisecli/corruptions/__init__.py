"""Every built-in op: one folder a target, one module a family. Modules are found by walking this package."""
