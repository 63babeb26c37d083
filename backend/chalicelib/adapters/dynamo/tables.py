"""PynamoDB models, private to this folder: keys and indexes only. Everything else is one JSON document per item,
in `document`, or compressed in `packed` where a table is written every few seconds.

docs/access-patterns.md lists the reads each key and index serves. `infrastructure/tables.json` creates the same tables.
"""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from chalicelib.adapters.dynamo.queue_tables import ApprovalItem, QueueEventItem


class ByStatus(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_status"
        projection = AllProjection()

    status = UnicodeAttribute(hash_key=True)
    queue_key = UnicodeAttribute(range_key=True)


class ByChangedAt(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_changed_at"
        projection = AllProjection()

    changed_shard = UnicodeAttribute(hash_key=True)
    changed_at = UnicodeAttribute(range_key=True)


class ByDataset(GlobalSecondaryIndex[Any]):
    """Of jobs under way only: the attribute goes when they end."""

    class Meta:
        index_name = "by_dataset"
        projection = AllProjection()

    needed_dataset = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class JobItem(Model):
    class Meta:
        table_name = "jobs"

    id = UnicodeAttribute(hash_key=True)
    status = UnicodeAttribute()
    queue_key = UnicodeAttribute()
    changed_shard = UnicodeAttribute(default="jobs")
    changed_at = UnicodeAttribute()
    version_number = NumberAttribute()
    document = UnicodeAttribute(null=True)
    packed = BinaryAttribute(legacy_encoding=False, null=True)
    by_status = ByStatus()
    needed_dataset = UnicodeAttribute(null=True)
    by_changed_at = ByChangedAt()
    by_dataset = ByDataset()


class ProgressItem(Model):
    class Meta:
        table_name = "progress"

    job_id = UnicodeAttribute(hash_key=True)
    version_number = NumberAttribute()
    document = UnicodeAttribute(null=True)
    packed = BinaryAttribute(legacy_encoding=False, null=True)


class EventItem(Model):
    class Meta:
        table_name = "events"

    job_id = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)
    document = UnicodeAttribute()


class MetricsItem(Model):
    class Meta:
        table_name = "metrics"

    job_id = UnicodeAttribute(hash_key=True)
    revision = NumberAttribute(range_key=True)
    document = UnicodeAttribute(null=True)
    packed = BinaryAttribute(legacy_encoding=False, null=True)


class AttemptItem(Model):
    class Meta:
        table_name = "attempts"

    job_id = UnicodeAttribute(hash_key=True)
    number = NumberAttribute(range_key=True)
    version_number = NumberAttribute()
    document = UnicodeAttribute()


class ByCreated(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_created"
        projection = AllProjection()

    shard = UnicodeAttribute(hash_key=True)
    created_at = UnicodeAttribute(range_key=True)


class DatasetItem(Model):
    class Meta:
        table_name = "datasets"

    id = UnicodeAttribute(hash_key=True)
    shard = UnicodeAttribute()
    created_at = UnicodeAttribute()
    version_number = NumberAttribute()
    document = UnicodeAttribute()
    by_created = ByCreated()


class ByCreatedModels(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_created"
        projection = AllProjection()

    shard = UnicodeAttribute(hash_key=True)
    created_at = UnicodeAttribute(range_key=True)


class ModelItem(Model):
    class Meta:
        table_name = "models"

    id = UnicodeAttribute(hash_key=True)
    shard = UnicodeAttribute()
    created_at = UnicodeAttribute()
    version_number = NumberAttribute()
    document = UnicodeAttribute()
    by_created = ByCreatedModels()


class CostsByMonth(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_month"
        projection = AllProjection()

    month = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)


class CostItem(Model):
    class Meta:
        table_name = "cost_records"

    job_id = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    month = UnicodeAttribute()
    at = UnicodeAttribute()
    document = UnicodeAttribute()
    by_month = CostsByMonth()


class AuditByMonth(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_month"
        projection = AllProjection()

    month = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)


class AuditItem(Model):
    class Meta:
        table_name = "audit_log"

    subject = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    month = UnicodeAttribute()
    document = UnicodeAttribute()
    by_month = AuditByMonth()


class Unread(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "unread"
        projection = AllProjection()

    unread_for = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class NotificationItem(Model):
    class Meta:
        table_name = "notifications"

    user_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    unread_for = UnicodeAttribute(null=True)
    document = UnicodeAttribute()
    unread = Unread()


class ByEmail(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_email"
        projection = AllProjection()

    email = UnicodeAttribute(hash_key=True)


class UserItem(Model):
    class Meta:
        table_name = "users"

    id = UnicodeAttribute(hash_key=True)
    email = UnicodeAttribute()
    version_number = NumberAttribute()
    document = UnicodeAttribute()
    by_email = ByEmail()


class ByUser(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_user"
        projection = AllProjection()

    user_id = UnicodeAttribute(hash_key=True)
    created_at = UnicodeAttribute(range_key=True)


class TokenItem(Model):
    class Meta:
        table_name = "tokens"

    hash = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()
    created_at = UnicodeAttribute()
    version_number = NumberAttribute()
    document = UnicodeAttribute()
    by_user = ByUser()


class TerminationItem(Model):
    class Meta:
        table_name = "terminations"

    state = UnicodeAttribute(hash_key=True)
    pod_name = UnicodeAttribute(range_key=True)
    document = UnicodeAttribute()


class SettingItem(Model):
    class Meta:
        table_name = "settings"

    name = UnicodeAttribute(hash_key=True)
    version_number = NumberAttribute(default=0)
    document = UnicodeAttribute()


TABLES: tuple[type[Model], ...] = (
    JobItem,
    ProgressItem,
    EventItem,
    MetricsItem,
    AttemptItem,
    DatasetItem,
    ModelItem,
    CostItem,
    AuditItem,
    NotificationItem,
    UserItem,
    TokenItem,
    TerminationItem,
    SettingItem,
    QueueEventItem,
    ApprovalItem,
)
