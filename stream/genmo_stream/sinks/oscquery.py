"""Finds VRChat on the local network by OSCQuery: zeroconf says where it is, HTTP its OSC port.

https://github.com/Vidvox/OSCQueryProposal: a service of type _oscjson._tcp answers ?HOST_INFO.
"""

import threading
from typing import TYPE_CHECKING, Any

import httpx

from genmo_stream.errors import SinkError

if TYPE_CHECKING:
    from zeroconf import Zeroconf

SERVICE = "_oscjson._tcp.local."
CLIENT = "VRChat-Client"  # how the names of VRChat's services start
SEARCH_S = 5.0


def find_vrchat(search_s: float = SEARCH_S, interfaces: list[str] | None = None) -> tuple[str, int]:
    """Host and port at which VRChat takes OSC.

    Args:
        search_s: how long to look.
        interfaces: addresses of this machine to look from; None for all.
    Raises:
        SinkError: zeroconf isn't installed, or nobody answers.
    """
    try:
        from zeroconf import InterfaceChoice, Zeroconf
    except ImportError as error:
        raise SinkError("'auto' needs zeroconf; pip install 'genmo-rt[sinks]'") from error
    choice: Any = interfaces or InterfaceChoice.All
    with Zeroconf(interfaces=choice) as zeroconf:
        found = _first_client(zeroconf, search_s)
    if found is None:
        raise SinkError(
            f"no VRChat was found on the local network in {search_s:g} s; turn OSC on in its "
            "action menu, or say where it is: --vrchat HOST:9000"
        )
    return _osc_address(*found)


def _first_client(zeroconf: "Zeroconf", search_s: float) -> tuple[str, int] | None:
    """Address and HTTP port of the first VRChat that answers."""
    from zeroconf import IPVersion, ServiceBrowser, ServiceStateChange

    names: list[str] = []
    answered = threading.Event()

    def on_change(
        zeroconf: "Zeroconf", service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is ServiceStateChange.Added and name.startswith(CLIENT):
            names.append(name)
            answered.set()

    browser = ServiceBrowser(zeroconf, SERVICE, handlers=[on_change])
    try:
        answered.wait(search_s)
    finally:
        browser.cancel()
    for name in names:
        service = zeroconf.get_service_info(SERVICE, name)
        if service is not None and service.port and service.parsed_addresses(IPVersion.V4Only):
            return service.parsed_addresses(IPVersion.V4Only)[0], service.port
    return None


def _osc_address(host: str, port: int) -> tuple[str, int]:
    """Where the service at this HTTP address takes OSC."""
    try:
        answer = httpx.get(f"http://{host}:{port}/?HOST_INFO", timeout=3, trust_env=False)
        answer.raise_for_status()
        known = answer.json()
        return str(known.get("OSC_IP") or host), int(known.get("OSC_PORT") or port)
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        raise SinkError(
            f"VRChat at {host}:{port} doesn't say where it takes OSC ({error}); say it yourself: "
            "--vrchat HOST:9000"
        ) from error
