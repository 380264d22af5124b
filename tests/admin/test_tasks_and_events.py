"""Tasks and events in the admin."""

from orchestrator import actions
from orchestrator.models import Event, Task

TASKS = "/admin/orchestrator/task/"
EVENTS = "/admin/orchestrator/event/"


def test_a_task_is_created_changed_and_deleted(console):
    assert console.post(f"{TASKS}add/", {"title": "New", "description": ""}).status_code == 302
    task = Task.objects.get()
    assert (task.title, task.version) == ("New", 1)
    fields = {"title": "Newer", "description": "", "seen_version": "1"}
    assert console.post(f"{TASKS}{task.pk}/change/", fields).status_code == 302
    task.refresh_from_db()
    assert (task.title, task.version) == ("Newer", 2)
    assert console.post(f"{TASKS}{task.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Task.objects.exists()


def test_saving_without_a_change_leaves_the_version(console, task):
    fields = {"title": task.title, "description": task.description, "seen_version": "1"}
    assert console.post(f"{TASKS}{task.pk}/change/", fields).status_code == 302
    task.refresh_from_db()
    assert task.version == 1


def test_a_form_from_an_old_version_is_rejected(console, task):
    assert b'name="seen_version" value="1"' in console.get(f"{TASKS}{task.pk}/change/").content
    actions.update_task(task.pk, title="By somebody else")
    for seen in ("1", "", "x", "3"):
        fields = {"title": "By me", "description": "", "seen_version": seen}
        response = console.post(f"{TASKS}{task.pk}/change/", fields)
        assert response.status_code == 200
        assert b"By me" in response.content  # the operator's text is still there
    assert b"it is now at version 2" in response.content
    task.refresh_from_db()
    assert (task.title, task.version) == ("By somebody else", 2)


def test_a_change_between_check_and_save_is_an_error_message(console, task, monkeypatch):
    def edit_first(task_id, **kwargs):
        monkeypatch.undo()
        actions.update_task(task_id, title="By somebody else")
        return actions.update_task(task_id, **kwargs)

    monkeypatch.setattr("orchestrator.admin.tasks.actions.update_task", edit_first)
    fields = {"title": "By me", "description": "", "seen_version": "1"}
    response = console.post(f"{TASKS}{task.pk}/change/", fields, follow=True)
    assert "it is now at version 2" in str(next(iter(response.context["messages"])))


def test_tasks_are_found(console, task):
    actions.create_task(title="Check the mail")
    actions.create_task(title="100% sure")

    def titles(**query):
        return {row.title for row in console.get(TASKS, query).context["cl"].result_list}

    assert titles(q="Check") == {"Check the backups", "Check the mail"}
    assert titles(q="check") == set()
    assert titles(q="100%") == {"100% sure"}
    assert titles(q=str(task.pk)) == {"Check the backups"}
    assert len(titles()) == 3


def test_events_are_found_by_type_and_id(console, event, job):
    Event.objects.create(type="agent_started", payload={"agent": "scout"})

    def found(**query):
        return [row.type for row in console.get(EVENTS, query).context["cl"].result_list]

    assert found() == ["agent_started", "job_created"]
    assert found(q="agent_started") == ["agent_started"]
    assert found(q=str(event.pk)) == found(q=str(job.pk)) == found(type="job_created") == ["job_created"]
    assert b"scout" in console.get(EVENTS).content


def test_events_cannot_be_changed(admin_console, event):
    page = f"{EVENTS}{event.pk}/"
    assert admin_console.post(f"{page}change/", {"type": "x"}).status_code == 403
    assert admin_console.post(f"{page}delete/", {"post": "yes"}).status_code == 403
    selected = {"action": "delete_selected", "_selected_action": [str(event.pk)], "post": "yes"}
    admin_console.post(EVENTS, selected)
    assert Event.objects.values().get() == {
        name: getattr(event, name) for name in Event.objects.values().get()
    }


def test_an_event_shows_its_payload(console, event):
    content = console.get(f"{EVENTS}{event.pk}/change/").content.decode()
    assert "&quot;to&quot;: &quot;pending&quot;" in content
