// Uploads with a client library that others wrote: one file with an interruption, one that is taken back.
// Arguments: where uploads begin, hash of the access token, bytes. Prints one JSON object a line.
const tus = require("tus-js-client");
const [endpoint, accessHash, length] = process.argv.slice(2);
const content = Buffer.from(Array.from({ length: Number(length) }, (_, n) => n % 251));

function say(event) {
  console.log(JSON.stringify(event));
}

// Ends when everything was sent or, where it is to be cut, after so many bytes.
function run(options, cutAt = Infinity) {
  return new Promise((resolve, reject) => {
    let cut = false;
    const upload = new tus.Upload(content, {
      endpoint,
      chunkSize: 100_000,
      retryDelays: [0, 50, 100],
      metadata: { filename: "secret.txt", access_hash: accessHash, expires_in: "600" },
      onError: reject,
      onSuccess: () => resolve(upload),
      onChunkComplete: (_, accepted) => {
        if (cut || accepted < cutAt) return;
        cut = true;
        upload.abort().then(() => resolve(upload), reject);
      },
      onAfterResponse: (request, response) => {
        const id = response.getHeader("transistor-id");
        say({ method: request.getMethod(), status: response.getStatus(), id });
      },
      ...options,
    });
    upload.start();
  });
}

async function main() {
  const cut = await run({ uploadDataDuringCreation: true }, 200_000);
  say({ event: "cut" });
  await run({ uploadUrl: cut.url });
  say({ event: "sent" });
  const unwanted = await run({}, 100_000);
  await unwanted.abort(true);
  say({ event: "taken back" });
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
