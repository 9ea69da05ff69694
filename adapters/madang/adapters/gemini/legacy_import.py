"""The import of `google-generativeai`, whose warnings an operator can do nothing about.

Google says that the package has ended (it was installed on purpose, by the extra `gemini-legacy`), and `google.api_core` that
it will drop the running Python one day (long after this SDK). Both would be printed at every start, and where warnings are
errors they would be its end. Nothing else is silenced.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", r"\s*All support for the `google.generativeai` package has ended", FutureWarning)
    warnings.filterwarnings("ignore", r"You are using a (non-supported )?Python version", FutureWarning)
    from google.ai.generativelanguage_v1beta.services.generative_service.transports.rest import GenerativeServiceRestTransport
    from google.ai.generativelanguage_v1beta.services.model_service.transports.rest import ModelServiceRestTransport
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.credentials import AnonymousCredentials
    from google.generativeai import protos
    from google.protobuf import json_format

__all__ = [
    "AnonymousCredentials",
    "GenerativeServiceRestTransport",
    "GoogleAPICallError",
    "ModelServiceRestTransport",
    "json_format",
    "protos",
]
