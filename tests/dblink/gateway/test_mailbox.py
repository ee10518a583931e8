"""How messages come from the event loop to the worker."""

from __future__ import annotations

import threading

import pytest

from dblink.gateway.mailbox import Abandoned, Job, Mailbox


def test_the_newest_message_counts() -> None:
    mailbox = Mailbox()
    jobs = [Job(b"%d" % n) for n in range(1000)]
    for job in jobs:
        mailbox.put(job)
    assert mailbox.take() is jobs[-1]


def test_a_message_abandons_the_call_that_runs() -> None:
    mailbox = Mailbox()
    first, second = Job(b"1"), Job(b"2")
    mailbox.put(first)
    assert mailbox.take() is first and not first.abandoned
    mailbox.put(second)
    assert first.abandoned and not first.cancelled
    assert mailbox.take() is second and not second.abandoned


def test_a_message_answers_the_call_that_has_asked() -> None:
    mailbox = Mailbox()
    first, answer = Job(b"1"), Job(b"2")
    mailbox.put(first)
    mailbox.take()
    first.asking = True
    mailbox.put(answer)
    assert mailbox.reply(first) is answer
    assert not first.abandoned and not first.asking


def test_what_turns_out_to_be_a_call_is_taken_next() -> None:
    mailbox = Mailbox()
    first, second = Job(b"1"), Job(b"2")
    mailbox.put(first)
    mailbox.take()
    first.asking = True
    mailbox.put(second)
    mailbox.give_back(mailbox.reply(first))
    assert mailbox.take() is second


@pytest.mark.parametrize("end", ["abandon", "close"])
def test_whoever_waits_for_an_answer_is_told_that_none_comes(end: str) -> None:
    mailbox = Mailbox()
    job = Job(b"1")
    mailbox.put(job)
    mailbox.take()
    job.asking = True
    thread = threading.Timer(0.01, getattr(mailbox, end))
    thread.start()
    with pytest.raises(Abandoned):
        mailbox.reply(job)
    thread.join()


def test_a_message_that_nobody_waits_for_any_more_is_not_taken() -> None:
    mailbox = Mailbox()
    mailbox.put(Job(b"1"))
    mailbox.abandon()
    later = Job(b"2")
    mailbox.put(later)
    assert mailbox.take() is later


def test_what_is_cancelled_before_it_began_is_still_answered() -> None:
    mailbox = Mailbox()
    job = Job(b"1")
    mailbox.put(job)
    mailbox.abandon(cancelled=True)
    assert mailbox.take() is job
    assert job.abandoned and job.cancelled


def test_it_ends() -> None:
    mailbox = Mailbox()
    mailbox.put(Job(b"1"))
    assert mailbox.busy
    mailbox.close()
    assert mailbox.take() is None
    assert mailbox.take() is None
    assert not mailbox.busy
