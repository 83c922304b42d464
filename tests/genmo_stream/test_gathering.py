"""Which orders make a batch: those that wait, the first so many, and what comes in a moment."""

import socket
from collections.abc import Iterator

import pytest

from genmo_stream.thinker import FEWEST, Company, Forget, Thinker
from genmo_stream.thinker_process import _gather, _Orders
from genmo_stream.thinker_wire import Asked, encode_asked
from tests.genmo_stream.test_places import frame, make_estimator
from tests.genmo_stream.test_thinker import ask

Ends = tuple[socket.socket, _Orders]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, _Orders(theirs)


def order(number: int) -> bytes:
    return encode_asked(Asked(number, Forget(number)))


def numbers(batch: list[Asked]) -> list[int]:
    return [asked.number for asked in batch]


def test_no_more_than_so_many_are_taken_and_the_others_come_next(ends: Ends) -> None:
    link, orders = ends
    link.sendall(b"".join(map(order, range(12))))
    taken = [numbers(_gather(orders, Company(), 5)) for _ in range(3)]
    assert taken == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]


def test_an_order_that_comes_in_pieces_is_waited_for(ends: Ends) -> None:
    link, orders = ends
    message = order(3)
    link.sendall(order(2) + message[:5])
    assert numbers(_gather(orders, Company(), 5)) == [2]
    link.sendall(message[5:])
    assert numbers(_gather(orders, Company(), 5)) == [3]


def test_the_end_of_the_link_ends_it(ends: Ends) -> None:
    link, orders = ends
    link.shutdown(socket.SHUT_RDWR)
    with pytest.raises(EOFError):
        _gather(orders, Company(), 5)


def test_a_batch_has_half_of_the_streams_but_for_few() -> None:
    many = 2 * FEWEST + 4
    thinker = Thinker(make_estimator(slots=many))
    assert thinker.most == FEWEST
    for stream in range(many):
        thinker([ask(stream, frame(1))])
    assert thinker.most == FEWEST + 2
    thinker([Forget(stream) for stream in range(many)])
    assert thinker.most == FEWEST
