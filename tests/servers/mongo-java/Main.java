import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import io.netty.channel.Channel;
import java.util.List;

/**
 * Main PORT: a server in memory that speaks MongoDB's protocol and has change streams, on a loopback port. It says of
 * itself that it is the primary of a set of one, as servers with change streams do.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        String address = "127.0.0.1:" + Integer.parseInt(args[0]);
        MemoryBackend backend = new MemoryBackend() {
            @Override
            public Document handleCommand(Channel channel, String database, String command, Document query) {
                boolean hello = command.equals("hello");
                if (!hello && !command.equalsIgnoreCase("isMaster")) {
                    return super.handleCommand(channel, database, command, query);
                }
                // The server knows the old name of the command only.
                Document reply = super.handleCommand(channel, database, "isMaster", query);
                reply.put(hello ? "isWritablePrimary" : "ismaster", true);
                reply.put("setName", "kith");
                reply.put("hosts", List.of(address));
                reply.put("me", address);
                reply.put("primary", address);
                reply.put("secondary", false);
                return reply;
            }
        };
        // Older ones are refused by today's drivers.
        backend.version(ServerVersion.MONGO_5_0);
        // Without it there are no change streams.
        backend.enableOplog();
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(args[0]));
        System.out.println("listening on " + address);
    }
}
