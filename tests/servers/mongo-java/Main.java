import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.BsonTimestamp;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import io.netty.channel.Channel;
import java.security.SecureRandom;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Main PORT: a server in memory that speaks MongoDB's protocol and has change streams, on a loopback port. It says of
 * itself that it is the primary of a set of one, as servers with change streams do, and its change streams are dressed
 * as those of a set are: tokens begin with the type and the value of their time, every batch says how far the stream
 * has got, and a token from before the server was started is refused, because what followed it is gone.
 */
public final class Main extends MemoryBackend {
    /** A token's first byte: what follows is a timestamp. */
    private static final String TIMESTAMP = "82";

    private static final int TIME_DIGITS = 16;

    private final String address;
    private final String life = String.format("%08X", new SecureRandom().nextInt());
    private final Set<Long> streams = ConcurrentHashMap.newKeySet();

    private Main(String address) {
        this.address = address;
    }

    public static void main(String[] args) {
        int port = Integer.parseInt(args[0]);
        Main backend = new Main("127.0.0.1:" + port);
        // Older ones are refused by today's drivers.
        backend.version(ServerVersion.MONGO_5_0);
        // Without it there are no change streams.
        backend.enableOplog();
        new MongoServer(backend).bind("127.0.0.1", port);
        System.out.println("listening on " + backend.address);
    }

    @Override
    public Document handleCommand(Channel channel, String database, String command, Document query) {
        if (command.equals("hello") || command.equalsIgnoreCase("isMaster")) {
            // The server knows the old name of the command only.
            Document reply = super.handleCommand(channel, database, "isMaster", query);
            return primary(reply, command.equals("hello"));
        }
        if (command.equals("aggregate") && changeStream(query) != null) {
            Document start = changeStream(query);
            start.computeIfPresent("resumeAfter", (name, token) -> undress((Document) token));
            start.computeIfPresent("startAfter", (name, token) -> undress((Document) token));
            BsonTimestamp seen = newest();
            Document reply = super.handleCommand(channel, database, command, query);
            streams.add((Long) ((Document) reply.get("cursor")).get("id"));
            return dress(reply, "firstBatch", seen);
        }
        if (command.equals("getMore") && streams.contains(query.get("getMore"))) {
            BsonTimestamp seen = newest();
            return dress(super.handleCommand(channel, database, command, query), "nextBatch", seen);
        }
        return super.handleCommand(channel, database, command, query);
    }

    private Document primary(Document reply, boolean hello) {
        reply.put(hello ? "isWritablePrimary" : "ismaster", true);
        reply.put("setName", "kith");
        reply.put("hosts", List.of(address));
        reply.put("me", address);
        reply.put("primary", address);
        reply.put("secondary", false);
        reply.put("operationTime", newest());
        return reply;
    }

    private static Document changeStream(Document aggregate) {
        return aggregate.get("pipeline") instanceof List<?> stages
                && !stages.isEmpty()
                && stages.get(0) instanceof Document first
                ? (Document) first.get("$changeStream")
                : null;
    }

    /** The time of the newest change, before any there was. */
    private BsonTimestamp newest() {
        MongoCollection<?> oplog = resolveDatabase("local").resolveCollection(OPLOG_COLLECTION_NAME, false);
        BsonTimestamp none = new BsonTimestamp(1);
        if (oplog == null) {
            return none;
        }
        return oplog.queryAllAsStream()
                .map(change -> (BsonTimestamp) change.get("ts"))
                .max(Comparator.naturalOrder())
                .orElse(none);
    }

    /** Gives a batch its tokens. An empty one has got as far as the newest change was before it was asked for. */
    private Document dress(Document reply, String name, BsonTimestamp seen) {
        Document cursor = (Document) reply.get("cursor");
        Document reached = token(seen.getValue());
        for (Object event : (List<?>) cursor.get(name)) {
            Document id = (Document) ((Document) event).get("_id");
            reached = token(Long.parseUnsignedLong((String) id.get("_data"), 16));
            ((Document) event).put("_id", reached);
        }
        cursor.put("postBatchResumeToken", reached);
        return reply;
    }

    private Document token(long time) {
        return new Document("_data", TIMESTAMP + String.format("%016X", time) + life);
    }

    private Document undress(Document token) {
        String data = String.valueOf(token.get("_data"));
        int end = TIMESTAMP.length() + TIME_DIGITS;
        if (!data.matches(TIMESTAMP + "[0-9A-F]{" + (TIME_DIGITS + life.length()) + "}")) {
            throw new MongoServerError(260, "InvalidResumeToken", "the resume token is malformed");
        }
        if (!data.endsWith(life)) {
            throw new MongoServerError(286, "ChangeStreamHistoryLost", "what followed the resume token is gone");
        }
        return new Document("_data", data.substring(TIMESTAMP.length(), end));
    }
}
