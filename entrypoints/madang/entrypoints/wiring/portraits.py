"""The composition root's part for portraits: the paid picture job, and the catalogue that its reports recommend from."""

from typing import Any, cast

from dependency_injector import containers, providers

from madang.adapters.jsonschema.validator import JsonSchemaValidator
from madang.core.billing.service import BillingService
from madang.core.generation.picture_notices import PictureNotices
from madang.core.kernel.clock import Clock
from madang.core.kernel.protection import PersonalDataCipher, PhoneNumbers
from madang.core.kernel.providers import Providers
from madang.core.notifications.service import NotificationService
from madang.core.operations.audit import AuditTrail
from madang.core.portraits.compensation import Compensation
from madang.core.portraits.handlers import PortraitHandlers
from madang.core.portraits.knowledge_base import KnowledgeBaseService
from madang.core.portraits.ordering import Ordering
from madang.core.portraits.phones import Phones
from madang.core.portraits.photos import Photos
from madang.core.portraits.picture_making import PictureMaking
from madang.core.portraits.picture_stopping import PictureStopping
from madang.core.portraits.pictures import PhotoLab
from madang.core.portraits.purging import Purging
from madang.core.portraits.report_writing import ReportWriting
from madang.core.portraits.repository import PortraitReader
from madang.core.portraits.results import Results
from madang.core.portraits.service import PortraitService
from madang.entrypoints.settings import Settings


class PortraitWiring(containers.DeclarativeContainer):
    """What is made of what; the dependencies are the whole container's."""

    settings = providers.Dependency(instance_of=Settings)
    units: "providers.Dependency[Any]" = providers.Dependency()
    reader: "providers.Dependency[PortraitReader]" = providers.Dependency()
    billing = providers.Dependency(instance_of=BillingService)
    routed: "providers.Dependency[Providers]" = providers.Dependency()
    photo_lab: "providers.Dependency[PhotoLab]" = providers.Dependency()
    cipher: "providers.Dependency[PersonalDataCipher]" = providers.Dependency()
    phone_numbers: "providers.Dependency[PhoneNumbers]" = providers.Dependency()
    notifications = providers.Dependency(instance_of=NotificationService)
    picture_notices = providers.Dependency(instance_of=PictureNotices)
    audit_trail = providers.Dependency(instance_of=AuditTrail)
    clock: "providers.Dependency[Clock]" = providers.Dependency()
    base_url = settings.provided.base_url

    knowledge_base = providers.Singleton(KnowledgeBaseService, units, audit_trail)
    service = providers.Singleton(
        PortraitService,
        providers.Singleton(Ordering, units=units, billing=billing, cipher=cipher, clock=clock, base_url=base_url),
        providers.Singleton(Phones, units=units, cipher=cipher, phone_numbers=phone_numbers, clock=clock),
        providers.Singleton(Photos, units=units, providers=routed, photo_lab=photo_lab, clock=clock),
        providers.Singleton(Results, units=units, reader=reader, providers=routed, clock=clock),
    )
    compensation = providers.Singleton(Compensation, billing, notifications, cipher, clock)
    picture_making = providers.Singleton(PictureMaking, routed, photo_lab, compensation, picture_notices, clock)
    picture_stopping = providers.Singleton(PictureStopping, routed)
    report_writing = providers.Singleton(
        ReportWriting,
        routed,
        notifications,
        compensation,
        cipher,
        clock,
        schemas=providers.Singleton(JsonSchemaValidator),
        base_url=base_url,
    )
    purging = providers.Singleton(Purging, routed, compensation, clock)
    handlers = providers.Singleton(
        PortraitHandlers, picture_making, picture_stopping, report_writing, purging, compensation, clock
    )


class PortraitServices:
    """The parts of portraits, as plain objects; each is made when it is first asked for."""

    def __init__(self, portraits: "providers.Container[Any]") -> None:
        self._portraits = cast(PortraitWiring, portraits)

    @property
    def portraits(self) -> PortraitService:
        return self._portraits.service()

    @property
    def knowledge_base(self) -> KnowledgeBaseService:
        return self._portraits.knowledge_base()
