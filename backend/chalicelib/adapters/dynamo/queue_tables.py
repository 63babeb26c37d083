"""PynamoDB models of the queue's history and of approvals; see `tables`."""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model


class QueueEventItem(Model):
    class Meta:
        table_name = "queue_events"

    month = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    document = UnicodeAttribute()


class BySubject(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_subject"
        projection = AllProjection()

    subject = UnicodeAttribute(hash_key=True)
    asked = UnicodeAttribute(range_key=True)


class ByShelf(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_shelf"
        projection = AllProjection()

    shelf = UnicodeAttribute(hash_key=True)
    asked = UnicodeAttribute(range_key=True)


class ApprovalItem(Model):
    class Meta:
        table_name = "approvals"

    id = UnicodeAttribute(hash_key=True)
    subject = UnicodeAttribute()
    # `open` while something is to be done, then the status.
    shelf = UnicodeAttribute()
    asked = UnicodeAttribute()
    version_number = NumberAttribute()
    document = UnicodeAttribute()
    by_subject = BySubject()
    by_shelf = ByShelf()
