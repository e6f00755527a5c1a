"""SecantusDB, with one sync of its journal for each command that asks for it (`j: true`), as mongod does.

By itself it syncs after each statement, inside the lock of the collection: an update of 500 statements then waits for
500 syncs, one after the other, and so does whoever writes there meanwhile. What a test measured was the disk.
"""

from secantus import cli, commands

WRITES = ("bulkWrite", "delete", "findAndModify", "insert", "update")

wants_sync = commands._wants_journal
commands._wants_journal = lambda _command: False


def synced(handler):
    def handle(command, context):
        reply = handler(command, context)
        if wants_sync(command):
            # The connection's own session, which ends with it: there is room for 1,000 in all.
            context.storage._session().log_flush("sync=on")
        return reply

    return handle


for name in WRITES:
    commands._HANDLERS[name] = synced(commands._HANDLERS[name])

if __name__ == "__main__":
    raise SystemExit(cli.main())
