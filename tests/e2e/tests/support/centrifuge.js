'use strict';
// centrifuge.js URL TOKEN: connects with Centrifugo's client library and prints what happens, an object a line. Lines on
// standard input, {channel, token}, are subscriptions to make. It is also the reader that the book describes, as far as
// that can tell without a node: a position that does not follow on the last one is a gap.

const { Centrifuge, UnauthorizedError } = require('centrifuge');
const readline = require('node:readline');

const [url, token] = process.argv.slice(2);
const say = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
const centrifuge = new Centrifuge(url, {
  token,
  websocket: require('ws'),
  // There is nobody here who would fetch another one.
  getToken: () => Promise.reject(new UnauthorizedError('no other token')),
});

const last = new Map();
function take(channel, data) {
  const before = last.get(channel);
  // What was seen is passed over.
  if (before !== undefined && data.seq <= before) return;
  last.set(channel, data.seq);
  if (before !== undefined && data.seq !== before + 1) say('gap', { channel, after: before, seq: data.seq });
  else say('frame', { channel, data });
}

const channels = [];
centrifuge.on('subscribed', (context) => channels.push(context.channel));
centrifuge.on('connected', () => setImmediate(() => say('connected', { channels })));
centrifuge.on('disconnected', (context) => say('disconnected', { code: context.code, reason: context.reason }));
centrifuge.on('publication', (context) => take(context.channel, context.data));
centrifuge.connect();

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { channel, token: shown } = JSON.parse(line);
  const old = centrifuge.getSubscription(channel);
  if (old) centrifuge.removeSubscription(old);
  const subscription = centrifuge.newSubscription(channel, shown ? { token: shown } : {});
  subscription.on('subscribed', () => say('subscribed', { channel }));
  subscription.on('unsubscribed', (context) => {
    if (context.code !== 0) say('unsubscribed', { channel, code: context.code, reason: context.reason });
  });
  subscription.on('publication', (context) => take(channel, context.data));
  subscription.subscribe();
});
