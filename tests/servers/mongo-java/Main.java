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
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Main PORT LIVES: a server in memory that speaks MongoDB's protocol and has change streams, on a loopback port. LIVES is
 * a file in which it counts its starts.
 *
 * <p>What the library leaves out and those who read change streams depend on is added here: it presents itself as the
 * primary of a set of one, sets timestamps, tells a reader of an empty batch how far it has got, and refuses resume
 * tokens that are none (260) or are of an earlier life, whose history is gone (286).
 */
public final class Main extends MemoryBackend {
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
            case "aggregate" -> checkResumeToken(query);
            default -> {}
        }
        // Read before the batch is made: the batch then holds all that matches up to here.
        String before = command.equals("getMore") || command.equals("aggregate") ? position(channel) : null;
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

    private void checkResumeToken(Document aggregate) {
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
                position = HexFormat.fromHexDigitsToLong((String) token.get("_data"));
            } catch (ClassCastException | NullPointerException | IllegalArgumentException e) {
                throw new MongoServerError(260, "InvalidResumeToken", "the resume token cannot be read");
            }
            if (new BsonTimestamp(position).getTime() < start.getEpochSecond()) {
                throw new MongoServerError(286, "ChangeStreamHistoryLost", "the history of this resume token is gone");
            }
        }
    }

    /** The last position of the server's own log of changes, as a resume token's data. */
    private String position(Channel channel) {
        Document last = super.handleCommand(channel, "local", "find",
                new Document("find", "oplog.rs").append("sort", new Document("ts", -1)).append("limit", 1));
        List<?> batch = (List<?>) ((Document) last.get("cursor")).get("firstBatch");
        BsonTimestamp position = batch.isEmpty()
                ? new BsonTimestamp(start, 0)
                : (BsonTimestamp) ((Document) batch.get(0)).get("ts");
        return HexFormat.of().toHexDigits(position.getValue());
    }

    private static void tellPosition(Document reply, String before) {
        if (!(reply.get("cursor") instanceof Document cursor)) {
            return;
        }
        List<?> batch = (List<?>) (cursor.containsKey("nextBatch") ? cursor.get("nextBatch") : cursor.get("firstBatch"));
        Object last = batch.isEmpty() ? null : ((Document) batch.get(batch.size() - 1)).get("_id");
        boolean event = last instanceof Document id && id.containsKey("_data");
        if (batch.isEmpty() || event) {
            cursor.put("postBatchResumeToken", event ? last : new Document("_data", before));
        }
    }
}
