"""What end-to-end and conformance tests share: a gateway process, backends, raw clients, objects.

Nothing here asserts on elapsed time. Deadlines are generous and only bound how long a condition is waited for.
"""
