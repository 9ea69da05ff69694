"""Money is told with its currency; where a whole-numbered amount stands alone, it is one of these, and says of what."""

import json
from typing import Any

from madang.entrypoints.http.routes import openapi_document

OF_CREDITS = {"DeductionBody", "CreditGrantBody", "ExpiringCredits", "CreditEntry", "Deduction", "CreditGrant"}
IN_THE_DOCUMENTS_CURRENCY = {"InstallmentBody", "InstallmentPatch", "InvoiceLine", "Line"}


def stands_alone(properties: dict[str, Any]) -> bool:
    whole = [name for name, schema in properties.items() if "mount" in name and '"integer"' in json.dumps(schema)]
    return bool(whole) and "currency" not in properties


def test_an_amount_has_its_currency_beside_it_or_is_known_to_be_in_its_documents() -> None:
    schemas = openapi_document()["components"]["schemas"]
    alone = {name for name, schema in schemas.items() if stands_alone(schema.get("properties", {}))}
    assert alone == OF_CREDITS | IN_THE_DOCUMENTS_CURRENCY


def test_what_stands_alone_says_in_which_currency_it_is() -> None:
    schemas = openapi_document()["components"]["schemas"]
    for name in IN_THE_DOCUMENTS_CURRENCY:
        assert "minor unit of" in json.dumps(schemas[name]), name
