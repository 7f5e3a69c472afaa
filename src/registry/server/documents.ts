import { documentLimits } from "../../image/index.ts";
import { sweepAll } from "../sweep.ts";
import { bodyOf, type Exchange, requestHeader } from "./exchange.ts";
import { Refused } from "./refused.ts";
import { Turns } from "./turns.ts";

// Nearly every manifest is smaller. In memory the values of one are some tens of times as large as its text.
const small = 64 * 1024;
const most = { small: 32, large: 2, waiting: 64 };
// Milliseconds for a turn to come, and for a body once it has come: else a few who send slowly would keep out all others.
const patience = { turn: 20_000, body: 60_000 };

/**
 * Lets manifests in. They are held in memory, so many small ones are looked at at a time, but few that are large or do
 * not say what they are: what hundreds of those would take together is bounded, and who sends them keeps only each
 * other waiting.
 */
export class Documents {
  readonly #small = new Turns({ most: most.small, waiting: most.waiting, patience: patience.turn });
  readonly #large = new Turns({ most: most.large, waiting: most.waiting, patience: patience.turn });

  /**
   * Does something with the whole body of a request.
   *
   * @throws Refused `SIZE_INVALID` above 4 MiB (distribution-spec, "Pushing Manifests"), `TOOMANYREQUESTS`
   */
  async take<T>(exchange: Exchange, act: (bytes: Buffer) => Promise<T>): Promise<T> {
    const announced = requestHeader(exchange, "content-length");
    const room = announced === undefined ? documentLimits.bytes : Number(announced);
    if (room > documentLimits.bytes) throw tooLong();
    if (room <= small) return this.#small.take(async () => act(await wholeBody(exchange, room)));
    return this.#large.take(async () => {
      try {
        return await act(await wholeBody(exchange, room));
      } finally {
        // The engine would let several of them pile up before it looks.
        sweepAll();
      }
    });
  }
}

/** The bytes of a body, gathered in one place: held each by itself, chunks would outlive what they are copied to. */
async function wholeBody(exchange: Exchange, room: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(room);
  let size = 0;
  const impatient = setTimeout(
    () => exchange.request.destroy(new Error("the manifest did not come in time")),
    patience.body,
  );
  try {
    for await (const chunk of bodyOf(exchange)) {
      if (size + chunk.length > room) throw tooLong();
      bytes.set(chunk, size);
      size += chunk.length;
    }
    return bytes.subarray(0, size);
  } finally {
    clearTimeout(impatient);
  }
}

function tooLong(): Refused {
  return new Refused("SIZE_INVALID", `a manifest has at most ${documentLimits.bytes} bytes`);
}
