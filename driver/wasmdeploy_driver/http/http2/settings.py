"""What a client is told of the connection before its first request, and h2's own side of it."""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.settings import SettingCodes, Settings

from wasmdeploy_driver.http.bounds import MOST_WAITING

# What clients take for granted before they have read our settings.
MOST_STREAMS = 100
# Heads some times as large as announced are decoded, and answered with 431.
DECODED = 4
_OPEN = ConnectionState.SERVER_OPEN
# h2 takes a client's GOAWAY for the end, but one may leave and still wait for its answers (RFC 9113, 6.8).
_TRANSITIONS = {**H2ConnectionStateMachine._transitions, (_OPEN, ConnectionInputs.RECV_GOAWAY): (None, _OPEN)}


class _Connection(H2Connection):
    def clear_outbound_data_buffer(self) -> None:
        """Do nothing: what h2 would drop at a client's GOAWAY is of its connection, from our first SETTINGS on."""


def new_h2(head: int) -> H2Connection:
    """A server's side of a connection, for heads of so many bytes."""
    connection = _Connection(
        # What a request's fields may be is checked request by request, see head.
        H2Configuration(client_side=False, header_encoding=None, validate_inbound_headers=False)
    )
    connection.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
            SettingCodes.INITIAL_WINDOW_SIZE: MOST_WAITING,
            SettingCodes.MAX_HEADER_LIST_SIZE: head,
        },
    )
    connection.state_machine._transitions = _TRANSITIONS
    connection.decoder.max_header_list_size = head * DECODED
    return connection
