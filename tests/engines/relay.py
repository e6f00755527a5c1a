"""relay.py FROM TO: forwards bytes from 127.0.0.1:FROM to 127.0.0.1:TO.

Prints "listening", then a line for each connection.
"""
import asyncio
import sys


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(listen, to):
    async def connected(reader, writer):
        print("connection", flush=True)
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", to)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", listen)
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
