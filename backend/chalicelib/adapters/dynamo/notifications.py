"""The in-app feed, with a sparse index of what is unread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pynamodb.exceptions import PutError

from chalicelib.adapters.dynamo import documents as d
from chalicelib.adapters.dynamo.tables import NotificationItem
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.notification import Notification


@d.translating
class DynamoNotifications:
    def __init__(self, prefix: str) -> None:
        self._feed: Any = d.bind(NotificationItem, prefix)

    def add(self, notification: Notification) -> bool:
        try:
            self._row(notification).save(condition=self._feed.id.does_not_exist())
        except PutError as error:
            problem = d.translate(error)
            if isinstance(problem, StaleWrite):
                return False
            raise problem from error
        return True

    def of_user(
        self, user_id: str, *, unread: bool, limit: int, before: str | None
    ) -> Sequence[Notification]:
        source = self._feed.unread if unread else self._feed
        below = None if before is None else self._feed.id < before
        rows = source.query(user_id, below, limit=limit, scan_index_forward=False)
        return [d.load(Notification, row.document) for row in rows]

    def unread_count(self, user_id: str) -> int:
        return int(self._feed.unread.count(user_id))

    def mark_read(self, user_id: str, notification_id: str) -> bool:
        found: Notification | None = d.fetch(self._feed, Notification, user_id, notification_id)
        if found is None:
            return False
        self._row(replace(found, read=True)).save()
        return True

    def mark_all_read(self, user_id: str) -> int:
        unread = [d.load(Notification, row.document) for row in self._feed.unread.query(user_id)]
        for notification in unread:
            self._row(replace(notification, read=True)).save()
        return len(unread)

    def _row(self, notification: Notification) -> Any:
        unread_for = None if notification.read else notification.user_id
        return self._feed(
            user_id=notification.user_id,
            id=notification.id,
            unread_for=unread_for,
            document=d.dump(notification),
        )
