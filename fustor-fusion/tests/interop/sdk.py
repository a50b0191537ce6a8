"""Every call of the client library of 0.8, with what its users rely on.

Usage: sdk.py RECEIVER_URL PUSH_KEY VIEW_URL QUERY_KEY
"""

import asyncio
import json
import sys
import time
import urllib.request

import httpx
from fustor_fusion_sdk.client import FusionClient

receiver, push_key, view, query_key = sys.argv[1:]


def ask(path):
    request = urllib.request.Request(view + path, headers={"X-API-Key": query_key})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def row(path, **more):
    now = time.time()
    return {
        "path": path,
        "file_name": path.rsplit("/", 1)[1],
        "size": 3,
        "modified_time": now,
        "created_time": now,
        "is_directory": False,
        **more,
    }


def event(kind, rows, source):
    return {
        "event_type": kind,
        "fields": list(rows[0]),
        "rows": rows,
        "index": int(time.time() * 1000),
        "event_schema": "fs",
        "table": "files",
        "message_source": source,
    }


def names(path="/"):
    return sorted(child["name"] for child in ask(f"/tree?path={path}&max_depth=1")["children"])


async def status_of(call):
    try:
        return await call
    except httpx.HTTPStatusError as error:
        return error.response.status_code


async def main():
    async with FusionClient(receiver, "wrong") as stranger:
        assert await status_of(stranger.create_session("x:y")) == 401
        assert await stranger.get_sentinel_tasks() == {}
        assert await stranger.signal_audit_start(1) is False
    async with FusionClient(receiver, push_key) as client:
        await talk(client)


async def talk(client):
    made = await client.create_session(
        "agent:pipe", source_type="fs", session_timeout_seconds=20, client_info={"source_uri": None}
    )
    session = made["session_id"]
    assert made["role"] == "leader", made
    assert made["message"] == "Session created successfully", made
    assert isinstance(made["session_timeout_seconds"], int), made
    assert made["audit_interval_sec"] == 43200 and made["sentinel_interval_sec"] == 43200, made

    follower = await client.create_session("other:pipe")
    assert follower["role"] == "follower", follower
    assert follower["session_id"] != session

    beat = await client.send_heartbeat(session, can_realtime=True)
    expected = {"status": "ok", "role": "leader", "message": None, "can_realtime": None}
    assert expected.items() <= beat.items() and beat["commands"] == [], beat

    # A snapshot in two pieces and an empty end, as its agent sends it.
    root = row("/", is_directory=True, size=4096)
    first = [root, row("/d", is_directory=True), row("/d/x"), row("/y")]
    assert await client.push_events(session, [event("update", first, "snapshot")], "snapshot")
    bad = row("/bad\udcff")
    assert await client.push_events(
        session, [event("insert", [bad], "snapshot")], "snapshot", is_snapshot_end=True
    )
    assert await client.push_events(session, [], "snapshot", is_snapshot_end=True)
    assert names() == ["bad?", "d", "y"], names()

    # Acknowledged is applied: no waiting.
    changes = [
        event("update", [row("/d/z", is_atomic_write=False)], "realtime"),
        event("delete", [{"path": "/y"}], "realtime"),
    ]
    assert await client.push_events(session, changes, "message")
    assert names() == ["bad?", "d"] and names("/d") == ["x", "z"]

    # What is still written is offered as a task.
    suspects = [suspect["path"] for suspect in ask("/suspect-list")]
    assert suspects == ["/d/z"], suspects
    tasks = await client.get_sentinel_tasks()
    assert tasks["type"] == "suspect_check" and "/d/z" in tasks["paths"], tasks
    found = [
        {"path": "/d/z", "mtime": time.time(), "size": 3, "status": "exists"},
        {"path": "/d/x", "mtime": time.time(), "size": 5, "status": "exists"},
    ]
    feedback = {"type": "suspect_update", "updates": found}
    assert await client.submit_sentinel_feedback(feedback) is True
    assert ask("/tree?path=/d/x")["size"] == 5
    assert await client.submit_sentinel_feedback({"type": "something else"}) is True

    assert await client.signal_audit_start(1) is True
    audit = [row("/", is_directory=True), row("/d", is_directory=True, audit_skipped=True), row("/new")]
    assert await client.push_events(session, [event("update", audit, "audit")], "audit")
    assert await client.push_events(session, [], "audit", is_snapshot_end=True)
    assert await client.signal_audit_end(1) is True
    # One audit that lacks a path proves nothing.
    assert names() == ["bad?", "d", "new"], names()
    assert ask("/stats")["audit_cycle_count"] >= 1

    # A scan on demand: asked for by a reader, heard with the heartbeat, reported.
    asked = ask("/tree?path=/d&on_demand_scan=true")
    beat = await client.send_heartbeat(session, can_realtime=True)
    (command,) = beat["commands"]
    assert command["type"] == "scan" and command["path"] == "/d" and command["recursive"], beat
    assert command["job_id"] == asked["job_id"] and isinstance(command["created_at"], float), beat
    found = [event("update", [row("/d/w")], "on_demand_job")]
    assert await client.push_events(session, found, "on_demand_job")
    assert ask(f"/jobs/{command['job_id']}")["status"] != "COMPLETED"
    done = {"scan_path": "/d", "job_id": command["job_id"]}
    assert await client.push_events(session, [], "job_complete", metadata=done)
    assert ask(f"/jobs/{command['job_id']}")["status"] == "COMPLETED"
    assert names("/d") == ["w", "x", "z"]

    unknown = "00000000-0000-4000-8000-000000000000"
    assert await status_of(client.push_events(unknown, [], "message")) in (False, 419)
    assert await client.terminate_session(session) is True
    assert await client.terminate_session(session) is True
    assert await status_of(client.send_heartbeat(session)) == 419
    beat = await client.send_heartbeat(follower["session_id"], can_realtime=True)
    assert beat["role"] == "leader", beat
    assert await client.terminate_session(follower["session_id"]) is True


asyncio.run(main())
