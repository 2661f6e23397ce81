"""What Heap takes as an identity, an account id, an event name and properties. Pure."""

from typing import Final

from bulk_destination.mapping.properties import Limits
from bulk_destination.mapping.values import Identifier, Rejected, identifier

#: Heap's pages allow an identity of at most 255 and an event name of at most 1024 characters
#: (https://developers.heap.io/reference/track-1). For an account id no limit is published; the
#: event name's is assumed.
IDENTITY_MAX_LENGTH: Final = 255
ACCOUNT_ID_MAX_LENGTH: Final = 1024
EVENT_MAX_LENGTH: Final = 1024
#: Names and texts of properties have fewer than 1,024 characters (same page).
PROPERTY_LIMITS: Final = Limits(name_length=1023, text_length=1023)


#: Heap merges all who share an identity and can not undo it
#: (https://developers.heap.io/reference/identify).
PERSON: Final = Identifier("identity", IDENTITY_MAX_LENGTH)
#: Whoever is to be deleted is named as the record has it: what blanks at its ends mean, Heap says
#: nowhere.
DELETED_PERSON: Final = Identifier("identity", IDENTITY_MAX_LENGTH, of_person=False)
ACCOUNT: Final = Identifier("account_id", ACCOUNT_ID_MAX_LENGTH, of_person=False)


def event_name(value: object) -> str | Rejected:
    """An event name of 1 to 1,024 characters; a number is sent as its decimal text."""
    if (
        type(value) is str
        and len(value) <= EVENT_MAX_LENGTH
        and value.isascii()
        and value.isprintable()
        and value.strip()
    ):
        return value
    return identifier(value, "event", EVENT_MAX_LENGTH, repairable=True)
