"""The buyer's use cases as one: order, phone, photo, phone check, result, survey (seed 003, sections 3 to 5)."""

from madang.core.portraits.ordering import Ordering
from madang.core.portraits.phones import Phones
from madang.core.portraits.photos import Photos
from madang.core.portraits.results import Results


class PortraitService:
    """Each use case is where its own things are; this only names them together, for whoever serves a buyer."""

    def __init__(self, ordering: Ordering, phones: Phones, photos: Photos, results: Results) -> None:
        self.order = ordering.order
        self.check_payment = ordering.check_payment
        self.set_phone = phones.set_phone
        self.check_phone = phones.check_phone
        self.submit_photo = photos.submit_photo
        self.view = results.view
        self.result = results.result
        self.download = results.download
        self.open_file = results.open_file
        self.submit_survey = results.submit_survey
