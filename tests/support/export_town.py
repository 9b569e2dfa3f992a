"""A town whose members are of several parts and buckets."""

from tests.support.exports import Opened, Town

# Of several parts and buckets; the text of one begins that of another.
MPIDS = (64, 640, -64, 1, 17, 33, -(2**63) + 1, 63)
HOSTILE = ('a,"b"', "=1+1", " x ", "é\r\nü", "\t")


def a_town(*mpids: int) -> Town:
    town = Town()
    for number, mpid in enumerate(mpids):
        town.join(mpid, ("email", f"{mpid}@example.com"), ("other", HOSTILE[number % len(HOSTILE)]))
    town.now += 1000
    return town


def members(opened: Opened, file: int = 0) -> set[int]:
    return {int(row["mpid"]) for row in opened.rows(file)}
