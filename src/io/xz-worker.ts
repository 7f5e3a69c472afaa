// The inside of a decompression thread: xz by WebAssembly, bzip2 in JavaScript. It blocks while it waits, which is
// what a thread of its own is for: the decoders can be fed as if all input were at hand.
import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import bunzip from "seek-bzip";
import xzDecompress from "xz-decompress";
import { jobState, type WorkerJob, type WorkerReport } from "./xz-protocol.ts";

const outputSize = 256 * 1024;
const mostWaiting = 8;

/** One job as the decoders see it: input that blocks until it is there, output that blocks while it is full. */
class Job {
  readonly #job: WorkerJob;
  readonly #state: Int32Array;
  #received = 0;
  #ended = false;
  #buffer = new Uint8Array(outputSize);
  #filled = 0;

  constructor(job: WorkerJob) {
    this.#job = job;
    this.#state = new Int32Array(job.state);
  }

  report(report: WorkerReport, transfer: ArrayBuffer[] = []): void {
    this.#job.port.postMessage(report, transfer);
  }

  /** The next input, or nothing at its end. */
  take(): Uint8Array | undefined {
    if (this.#ended) return undefined;
    Atomics.wait(this.#state, jobState.sent, this.#received);
    let message = receiveMessageOnPort(this.#job.port);
    while (message === undefined) message = receiveMessageOnPort(this.#job.port);
    this.#received++;
    if (message.message === undefined) {
      this.#ended = true;
      return undefined;
    }
    this.report({ kind: "taken" });
    return message.message as Uint8Array;
  }

  put(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const part = rest.subarray(0, outputSize - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled === outputSize) this.flush();
    }
  }

  putByte(byte: number): void {
    this.#buffer[this.#filled++] = byte;
    if (this.#filled === outputSize) this.flush();
  }

  flush(): void {
    if (this.#filled === 0) return;
    for (;;) {
      const waiting = Atomics.load(this.#state, jobState.waiting);
      if (waiting < mostWaiting) break;
      Atomics.wait(this.#state, jobState.waiting, waiting);
    }
    Atomics.add(this.#state, jobState.waiting, 1);
    const bytes = this.#buffer.subarray(0, this.#filled);
    this.report({ kind: "data", bytes }, [bytes.buffer]);
    this.#buffer = new Uint8Array(outputSize);
    this.#filled = 0;
  }
}

const footerMagic = [0x59, 0x5a] as const;

/**
 * Input in pieces that end wherever a stream could end (its footer ends in "YZ" and its length is a multiple of
 * four; xz-file-format, 2.1.2), because the decoder does not tell how much of a piece it has used.
 */
class Pieces {
  readonly #job: Job;
  #rest: Uint8Array = new Uint8Array(0);
  #at = 0;
  #mayEnd = false;

  constructor(job: Job) {
    this.#job = job;
  }

  next(): Uint8Array | undefined {
    if (this.#mayEnd) {
      // Nothing at all, so that a decoder that has still to say that the stream is over takes no more than it.
      this.#mayEnd = false;
      return new Uint8Array(0);
    }
    if (this.#rest.length === 0) this.#rest = this.#job.take() ?? this.#rest;
    if (this.#rest.length === 0) return undefined;
    let end = this.#rest.length;
    for (
      let i = this.#rest.indexOf(footerMagic[1]);
      i !== -1;
      i = this.#rest.indexOf(footerMagic[1], i + 1)
    ) {
      if ((this.#at + i + 1) % 4 === 0 && (i === 0 || this.#rest[i - 1] === footerMagic[0])) {
        end = i + 1;
        this.#mayEnd = true;
        break;
      }
    }
    const piece = this.#rest.subarray(0, end);
    this.#rest = this.#rest.subarray(end);
    this.#at += end;
    return piece;
  }

  /** Passes over stream padding; answers whether another stream follows. */
  more(): boolean {
    this.#mayEnd = false;
    for (;;) {
      if (this.#rest.length === 0) this.#rest = this.#job.take() ?? this.#rest;
      if (this.#rest.length === 0) return false;
      if (this.#rest[0] !== 0) return true;
      this.#rest = this.#rest.subarray(1);
      this.#at++;
    }
  }
}

async function unxz(job: Job): Promise<void> {
  const pieces = new Pieces(job);
  do {
    const input = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          // Without more input the decoder answers that it is at the end, or that it is not.
          const piece = pieces.next();
          if (piece === undefined) controller.close();
          else controller.enqueue(piece);
        },
      },
      { highWaterMark: 0 },
    );
    for await (const chunk of new xzDecompress.XzReadableStream(input)) {
      job.put(chunk);
      // The collector sees small objects here and lets them lie, with the memory that they stand for.
      (chunk.buffer as ArrayBuffer).transfer(0);
    }
  } while (pieces.more());
}

function unbzip2(job: Job): void {
  let chunk: Uint8Array | undefined;
  let at = 0;
  let tail: Uint8Array = new Uint8Array(0);
  const more = (): boolean => {
    while (chunk === undefined || at >= chunk.length) {
      chunk = job.take();
      at = 0;
      if (chunk === undefined) return false;
      tail = Buffer.concat([tail, chunk.subarray(-bzip2Tail)]).subarray(-bzip2Tail);
    }
    return true;
  };
  const readByte = (): number => {
    if (!more()) throw new Error("the bzip2 data ends early");
    return chunk?.[at++] ?? 0;
  };
  const read = (buffer: Uint8Array, offset: number, length: number): number => {
    for (let i = 0; i < length; i++) buffer[offset + i] = readByte();
    return length;
  };
  const output = { writeByte: (byte: number) => job.putByte(byte) };
  bunzip.decode({ readByte, read, eof: () => !more() }, output, true);
  if (!endsStream(tail)) throw new Error("the bzip2 data ends early");
}

// The mark of the end of a stream (48 bits), its checksum (32 bits) and the padding of the last byte.
const bzip2Tail = 11;
const bzip2End = 0x177245385090n;

/** The decoder takes the end of the input between two blocks for the end of the stream; it is not. */
function endsStream(tail: Uint8Array): boolean {
  const bits = BigInt(`0x0${Buffer.from(tail).toString("hex")}`);
  return [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].some(
    (pad) => ((bits >> (32n + pad)) & 0xffffffffffffn) === bzip2End,
  );
}

// The bzip2 decoder still says `new Buffer`.
process.noDeprecation = true;

parentPort?.on("message", async (message: WorkerJob) => {
  const job = new Job(message);
  try {
    if (message.form === "xz") await unxz(job);
    else unbzip2(job);
    job.flush();
    job.report({ kind: "done" });
  } catch (error) {
    job.report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
});
