"""Starts SecantusDB with one sync of its journal for each command with `j: true`, as mongod does.

By default it syncs after each statement, inside the lock of the collection. An update of 500 statements
then waits for 500 syncs in sequence, and so does every other writer of the collection. Tests would
measure the disk.
"""

from secantus import cli, commands

WRITES = ("bulkWrite", "delete", "findAndModify", "insert", "update")

wants_sync = commands._wants_journal
commands._wants_journal = lambda _command: False


def synced(handler):
    def handle(command, context):
        reply = handler(command, context)
        if wants_sync(command):
            # Uses the connection's session, because the storage has only 1,000 sessions.
            context.storage._session().log_flush("sync=on")
        return reply

    return handle


for name in WRITES:
    commands._HANDLERS[name] = synced(commands._HANDLERS[name])

if __name__ == "__main__":
    raise SystemExit(cli.main())
