"""The deployment's settings: `madang.toml` in the working directory, and `MADANG_…` variables, which win.

Wrong settings raise pydantic's `ValidationError`, with every wrong key at once; a file that is no TOML raises `Misconfigured`.
"""

import ipaddress
import re
import tomllib
from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from madang.entrypoints.billing_settings import BillingSetting
from madang.entrypoints.time_zones import known_zone
from madang.ports.errors import Misconfigured
from madang.ports.provider import ProviderKind

FILE: Final = "madang.toml"
PRODUCTS: Final = ("portraits",)
"""The products that this release has."""
FAILS_OVER: Final = frozenset({ProviderKind.TEXT_MODEL, ProviderKind.IMAGE_MODEL, ProviderKind.SMS, ProviderKind.EMAIL})
"""The kinds whose next provider stands in for one that surely did nothing."""
_MIN_KEY: Final = 32
_E_MAIL: Final = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")

Seconds = Annotated[float, Field(gt=0, le=3600)]
Minutes = Annotated[float, Field(ge=0, le=1440)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Routes = dict[str, tuple[str, ...]]


def _known_kinds(named: Collection[str]) -> list[str]:
    kinds = [kind.value for kind in ProviderKind]
    if unknown := sorted(set(named) - set(kinds)):
        raise ValueError(f"there is no kind of provider {', '.join(unknown)}: known are {', '.join(kinds)}")
    return kinds


def _without_slash(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return address.rstrip("/")


def _address(written: str) -> str:
    if not _E_MAIL.fullmatch(written):
        raise ValueError("is no e-mail address")
    return written


class AlertSetting(BaseModel):
    """What a deployment changes of an alert rule; a number alone is its threshold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    threshold: Annotated[float, Field(gt=0)] | None = None
    at_least: Count | None = None
    window_minutes: Minutes | None = None
    lasting_minutes: Minutes | None = None
    calm_minutes: Minutes | None = None


class PriceSetting(BaseModel):
    """A price of the deployment's own, in units of the currency: per million tokens, per picture, per message."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)] = "*"
    valid_from: date = date.min
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    input: Annotated[Decimal, Field(ge=0)] | None = None
    cached_input: Annotated[Decimal, Field(ge=0)] | None = None
    output: Annotated[Decimal, Field(ge=0)] | None = None
    picture: Annotated[Decimal, Field(ge=0)] | None = None
    message: Annotated[Decimal, Field(ge=0)] | None = None
    over: Annotated[int, Field(ge=0)] = 0
    source: str = "madang.toml"


class RoutingSetting(BaseModel):
    """What a deployment changes of a route's patience; see the table in the guide for operators."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failures: Annotated[int, Field(ge=0, le=1000)] | None = None
    open_seconds: Seconds | None = None
    concurrency: Count | None = None
    wait_seconds: Annotated[float, Field(ge=0, le=3600)] | None = None
    call_seconds: Seconds | None = None
    pause_seconds: Annotated[float, Field(ge=0, le=3600)] | None = None


class _TomlFile(TomlConfigSettingsSource):
    def _read_file(self, path: Path | Traversable) -> dict[str, Any]:
        try:
            return super()._read_file(path)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{path.name} is not TOML: {error}", operation="settings") from None


class Settings(BaseSettings):
    """Every setting is explained, with its default, in the guide for operators (`docs/operators.md`)."""

    model_config = SettingsConfigDict(
        env_prefix="MADANG_",
        env_nested_delimiter="__",
        toml_file=FILE,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: str = "development"
    brand: Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f]*$")] = "Madang"
    products: tuple[str, ...] = ("portraits",)
    base_url: Annotated[str, AfterValidator(_without_slash)] = "http://127.0.0.1:8000"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    database_url: str | None = Field(default=None, repr=False)
    redis_url: str | None = Field(default=None, repr=False)
    data_dir: Path = Path(".madang")
    secret_key: SecretStr | None = None
    older_secret_keys: tuple[SecretStr, ...] = ()
    timezone: Annotated[str, AfterValidator(known_zone)] = "Asia/Seoul"
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    lease_seconds: Seconds = 15.0
    sweep_seconds: Seconds = 1.0
    short_concurrency: Count = 100
    long_concurrency: Count = 8
    webhook_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 15.0
    outbound_plain_http: bool = False
    outbound_networks: tuple[str, ...] = ()
    live_streams: Annotated[int, Field(ge=1, le=10_000)] = 500
    live_streams_per_user: Annotated[int, Field(ge=1, le=1000)] = 10
    database_pool: Annotated[int, Field(ge=2, le=1000)] = 10
    routes: Routes = Field(default_factory=dict, validate_default=True)
    routing: dict[str, RoutingSetting] = Field(default_factory=dict)
    prices: tuple[PriceSetting, ...] = ()
    provider_calls_days: Annotated[int, Field(ge=1, le=3650)] = 90
    file_quota_mb: Annotated[int, Field(ge=1, le=10_000_000)] = 1024
    file_pending_uploads: Count = 100
    file_spool_mb: Annotated[int, Field(ge=64, le=1_000_000)] = 2048
    erasure_records_days: Annotated[int, Field(ge=1, le=36_500)] = 1095
    plugins_allowed: tuple[str, ...] | None = None
    plugin_modules: tuple[str, ...] = ()
    strict_plugins: bool = False
    account_url: Annotated[str, AfterValidator(_without_slash)] | None = None
    sign_in_seconds: Annotated[float, Field(ge=0, le=10)] = 0.5
    session_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    operator_emails: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(default=(), repr=False)
    notification_text_days: Annotated[int, Field(ge=1, le=3650)] = 30
    notification_log_days: Annotated[int, Field(ge=1, le=3650)] = 365
    operator_language: Literal["ko", "en"] = "en"
    limits: dict[str, str] = Field(default_factory=dict)
    sentry_dsn: SecretStr | None = None
    otel_endpoint: Annotated[str, AfterValidator(_without_slash)] | None = None
    billing: BillingSetting = BillingSetting()
    alerts: dict[str, float | AlertSetting] = Field(default_factory=dict)
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)

    @property
    def pages_for_people(self) -> str:
        return self.account_url or self.base_url

    @property
    def session_lifetime(self) -> timedelta:
        return timedelta(days=self.session_days)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _TomlFile(settings_cls)

    @field_validator("products")
    @classmethod
    def _only_known_products(cls, products: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(products) - set(PRODUCTS)):
            raise ValueError(f"there is no product {', '.join(unknown)}: known are {', '.join(PRODUCTS)}")
        return products

    @field_validator("routes")
    @classmethod
    def _a_route_for_each_kind(cls, routes: Routes) -> Routes:
        """Every kind has a route: storage is the machine's own disk unless another is named, all others are empty. The sandbox
        is never chosen by itself."""
        kinds = _known_kinds(routes)
        if twice := [kind for kind, names in routes.items() if len(set(names)) < len(names)]:
            raise ValueError(f"a provider is named twice for {', '.join(twice)}")
        return {kind: routes.get(kind, ("local",) if kind == ProviderKind.STORAGE else ()) for kind in kinds}

    @field_validator("routing")
    @classmethod
    def _routing_of_known_kinds(cls, routing: dict[str, RoutingSetting]) -> dict[str, RoutingSetting]:
        _known_kinds(routing)
        for kind, setting in routing.items():
            breaks = setting.failures is not None or setting.open_seconds is not None
            if breaks and kind not in FAILS_OVER:
                raise ValueError(
                    f"{kind} has no circuit breaker: nobody would stand in (only for {', '.join(sorted(FAILS_OVER))})"
                )
        return routing

    @field_validator("cors_origins")
    @classmethod
    def _named_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not origin.startswith(("http://", "https://")) or "*" in origin:
                raise ValueError(f"{origin!r}: name each origin with its scheme, like https://shop.example.com; never *")
        return origins

    @field_validator("trusted_proxies", "outbound_networks")
    @classmethod
    def _addresses_or_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError(f"{proxy!r} is neither an address nor a network like 10.0.0.0/8") from None
        return proxies

    @field_validator("secret_key", "older_secret_keys")
    @classmethod
    def _long_keys(cls, keys: Any) -> Any:
        for key in keys if isinstance(keys, tuple) else (keys,):
            if key is not None and len(key.get_secret_value()) < _MIN_KEY:
                raise ValueError(f"needs at least {_MIN_KEY} random characters")
        return keys
