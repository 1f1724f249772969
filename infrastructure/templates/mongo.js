// Makes the replica set and its users. Run again it finds them and is done.
const fs = require('fs');
const secret = (name) => fs.readFileSync(`/run/kith/secrets/mongo-${name}`, 'utf8').trim();

function connect() {
  try {
    const admin = new Mongo('mongodb://127.0.0.1:27017/?directConnection=true').getDB('admin');
    if (admin.auth('root', secret('root')).ok) return admin;
  } catch {
    // The user is not there yet.
  }
  return new Mongo('mongodb://127.0.0.1:27017/?directConnection=true').getDB('admin');
}

let admin = connect();
try {
  admin.runCommand({ replSetInitiate: { _id: 'kith', members: [{ _id: 0, host: 'mongo:27017' }] } });
} catch (error) {
  if (error.codeName !== 'AlreadyInitialized' && error.codeName !== 'Unauthorized') throw error;
}
for (let tries = 0; !admin.hello().isWritablePrimary; tries += 1) {
  if (tries > 300) throw new Error('no primary');
  sleep(100);
}

function make(db, user, roles) {
  try {
    db.createUser({ user, pwd: secret(user), roles });
    print(`made the user ${user}`);
  } catch (error) {
    // Known already: 51003.
    if (error.code !== 51003) throw error;
  }
}
try {
  make(admin, 'root', ['root']);
} catch (error) {
  if (error.codeName !== 'Unauthorized') throw error;
}
admin = connect();
const kith = admin.getSiblingDB('kith');
// Nodes write, relays read; the index and collection options are made by a node that finds none.
make(kith, 'node', [{ role: 'readWrite', db: 'kith' }, { role: 'dbAdmin', db: 'kith' }]);
make(kith, 'relay', [{ role: 'read', db: 'kith' }]);
