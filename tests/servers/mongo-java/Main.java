import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.BsonTimestamp;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import io.netty.channel.Channel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Main PORT LIVES: a server in memory that speaks MongoDB's protocol and has change streams, on a loopback port. LIVES is
 * a file in which it counts its starts.
 *
 * <p>What the library leaves out and those who read change streams depend on is added here: it presents itself as the
 * primary of a set of one, sets timestamps, tells a reader of an empty batch how far it has got, and refuses resume
 * tokens that are none (260) or are of an earlier life, whose history is gone (286). Its tokens begin as those of a
 * set do: with the type of a timestamp, then the time.
 */
public final class Main extends MemoryBackend {
    /** The first byte of a token: a timestamp follows. */
    private static final String TIMESTAMP = "82";

    private final String address;
    private final Instant start;
    private final AtomicInteger stamps = new AtomicInteger();

    private Main(String address, Clock clock) {
        super(clock);
        this.address = address;
        this.start = clock.instant();
    }

    public static void main(String[] args) throws IOException {
        String address = "127.0.0.1:" + Integer.parseInt(args[0]);
        Path lives = Path.of(args[1]);
        int life = Files.exists(lives) ? Integer.parseInt(Files.readString(lives)) + 1 : 0;
        Files.writeString(lives, Integer.toString(life));
        // A day later each time: no position of an earlier life is within this one.
        Main backend = new Main(address, Clock.offset(Clock.systemUTC(), Duration.ofDays(life)));
        backend.version(new MongoVersion() {
            @Override
            public List<Integer> getVersionArray() {
                return ServerVersion.MONGO_5_0.getVersionArray();
            }

            // What a server of this version says; the lower number that the library has for it is refused by drivers.
            @Override
            public int getWireVersion() {
                return 13;
            }
        });
        // Without it there are no change streams.
        backend.enableOplog();
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(args[0]));
        System.out.println("listening on " + address);
    }

    @Override
    public Document handleCommand(Channel channel, String database, String command, Document query) {
        switch (command) {
            case "insert" -> stamp(query);
            case "aggregate" -> readResumeToken(query);
            default -> {}
        }
        // Read before the batch is made: the batch then holds all that matches up to here.
        BsonTimestamp before = command.equals("getMore") || command.equals("aggregate") ? position() : null;
        boolean hello = command.equals("hello");
        // The server knows the old name of this command only.
        Document reply = super.handleCommand(channel, database, hello ? "isMaster" : command, query);
        if (hello || command.equalsIgnoreCase("isMaster")) {
            present(reply);
        }
        if (before != null) {
            tellPosition(reply, before);
        }
        return reply;
    }

    private void present(Document reply) {
        reply.put("isWritablePrimary", true);
        reply.put("setName", "kith");
        reply.put("hosts", List.of(address));
        reply.put("me", address);
        reply.put("primary", address);
        reply.put("secondary", false);
        reply.put("operationTime", position());
    }

    /** Timestamps of zero in the fields of new documents become the server's time. */
    private void stamp(Document insert) {
        if (!(insert.get("documents") instanceof List<?> documents)) {
            return;
        }
        for (Object each : documents) {
            Document document = (Document) each;
            document.replaceAll((name, value) -> value instanceof BsonTimestamp stamp && stamp.getValue() == 0
                    ? new BsonTimestamp(getClock().instant(), stamps.incrementAndGet())
                    : value);
        }
    }

    private static Document changeStream(Document aggregate) {
        return aggregate.get("pipeline") instanceof List<?> stages
                && !stages.isEmpty()
                && stages.get(0) instanceof Document first
                && first.get("$changeStream") instanceof Document options
                ? options
                : null;
    }

    /** Puts the library's own form of a token in the place of what a client sends. */
    private void readResumeToken(Document aggregate) {
        Document options = changeStream(aggregate);
        if (options == null) {
            return;
        }
        for (String name : List.of("resumeAfter", "startAfter")) {
            if (!(options.get(name) instanceof Document token)) {
                continue;
            }
            long position;
            try {
                String data = (String) token.get("_data");
                if (!data.startsWith(TIMESTAMP)) {
                    throw new IllegalArgumentException(data);
                }
                position = HexFormat.fromHexDigitsToLong(data, TIMESTAMP.length(), data.length());
            } catch (ClassCastException | NullPointerException | IllegalArgumentException e) {
                throw new MongoServerError(260, "InvalidResumeToken", "the resume token cannot be read");
            }
            if (new BsonTimestamp(position).getTime() < start.getEpochSecond()) {
                throw new MongoServerError(286, "ChangeStreamHistoryLost", "the history of this resume token is gone");
            }
            options.put(name, new Document("_data", Long.toHexString(position)));
        }
    }

    /** The last position of the server's own log of changes. */
    private BsonTimestamp position() {
        MongoCollection<?> changes = resolveDatabase("local").resolveCollection(OPLOG_COLLECTION_NAME, false);
        BsonTimestamp none = new BsonTimestamp(start, 0);
        if (changes == null) {
            return none;
        }
        return changes.queryAllAsStream()
                .map(change -> (BsonTimestamp) change.get("ts"))
                .max(Comparator.naturalOrder())
                .orElse(none);
    }

    private static Document token(long position) {
        return new Document("_data", TIMESTAMP + HexFormat.of().withUpperCase().toHexDigits(position));
    }

    private static void tellPosition(Document reply, BsonTimestamp before) {
        if (!(reply.get("cursor") instanceof Document cursor)) {
            return;
        }
        List<?> batch = (List<?>) (cursor.containsKey("nextBatch") ? cursor.get("nextBatch") : cursor.get("firstBatch"));
        Document reached = batch.isEmpty() ? token(before.getValue()) : null;
        for (Object each : batch) {
            if (((Document) each).get("_id") instanceof Document id && id.get("_data") instanceof String data) {
                reached = token(HexFormat.fromHexDigitsToLong(data));
                ((Document) each).put("_id", reached);
            }
        }
        if (reached != null) {
            cursor.put("postBatchResumeToken", reached);
        }
    }
}
