"""The conformance kit: what every provider of a port must do and how it must fail, as tests that plugin authors run, too.

`docs/plugins.md` is its guide. It needs the extra `madang[conformance]`.
"""
