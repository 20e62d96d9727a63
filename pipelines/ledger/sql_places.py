"""`SqlPlaces`: the places of the limit on calls at once, in one row of the ledger's database."""

from sqlalchemy import select, update

from pipelines.codec import decode, encode
from pipelines.ledger.database import Database
from pipelines.ledger.protocol import Clock
from pipelines.ledger.schema import CALLS, minutes_places
from pipelines.minutes.provider.place_table import Places, PlaceTable, Turn


class SqlPlaces:
    """Implements `pipelines.minutes.provider.place_table.PlaceBook` in SQLite or PostgreSQL."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def take_turn(self, turn: Turn, most: int) -> Places:
        """Enter a turn; see `PlaceBook.take_turn`."""
        row = minutes_places.c.name == CALLS
        with self._database.writing() as connection:
            body = connection.execute(select(minutes_places.c.body).where(row).with_for_update()).scalar_one()
            table = decode(PlaceTable, body) if body else PlaceTable()
            table, places = table.after(turn, most, self._clock())
            connection.execute(update(minutes_places).where(row).values(body=encode(table).decode()))
        return places
