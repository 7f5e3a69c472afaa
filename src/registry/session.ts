import {
  type Answer,
  headerOf,
  isLoopback,
  openSender,
  type RetryPolicy,
  retrying,
  type Sender,
  type SendRequest,
  type Slots,
  slots,
  speaksPlainHttp,
} from "../http/index.ts";
import { type Environment, isSystemError } from "../io/index.ts";
import { parseChallenges } from "./challenge.ts";
import type { Credential } from "./credential.ts";
import type { Endpoint } from "./endpoint.ts";
import { documentOf, refusal } from "./refusal.ts";
import { type Authorization, authorize } from "./tokens.ts";

/** How a client behaves; every member has a usual value. */
export interface SessionOptions extends Partial<RetryPolicy> {
  readonly environment: Environment;
  /** Finds what to show to a registry for a repository of it; asked once for each, when the registry wants to know. */
  credential(host: string, repository?: string): Promise<Credential | undefined>;
  /** Milliseconds without a byte after which a transfer counts as stalled (default 30 s). */
  readonly stall?: number;
  /** Blobs on their way at a time, in each direction (default: 6 that come in, 4 that go out). */
  readonly connections?: number;
}

/** One request of the distribution-spec. */
export interface RegistryRequest {
  readonly method: NonNullable<SendRequest["method"]>;
  /** Below `/v2/`, or an address that the registry named before. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or a stream that can be made again. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>);
  /** What the token has to allow: `repository:NAME:pull`. */
  readonly scopes: readonly string[];
  /** As the words after "Cannot": `read the manifest of a/b:1`. */
  readonly doing: string;
  /** Statuses that are an answer; any other is an error. */
  readonly expected: readonly number[];
  readonly signal: AbortSignal;
  /** Fewer than the policy allows, where somebody else can be asked. */
  readonly attempts?: number;
  /** The answer is long, and its pieces are done with when the next one is asked for. */
  readonly bulk?: boolean;
}

/** An answer, and the address that gave it. */
export interface RegistryAnswer {
  readonly answer: Answer;
  readonly address: string;
}

// What a registry has all bytes of is no longer on its way, so that fewer go out.
const usual = { attempts: 5, delay: 300, stall: 30_000, incoming: 6, outgoing: 4 };

// What a server that does not speak TLS does to a TLS handshake; an alert is a message of TLS.
const noTls = /^(?!.*alert)(?:EPROTO|ECONNRESET|UND_ERR_SOCKET|ERR_SSL_|ERR_TLS_HANDSHAKE)/i;

/**
 * A conversation with one registry: its address, what it wants to be shown, retries. An Authorization header goes to
 * the registry's own origin and nowhere else.
 */
export class Session {
  readonly host: string;
  readonly policy: RetryPolicy;
  /** Places for blobs on their way; apart, because one that goes out may be coming in at the same time. */
  readonly places: { readonly in: Slots; readonly out: Slots };
  readonly #endpoint: Endpoint;
  readonly #options: SessionOptions;
  readonly #stall: number;
  readonly #shown = new Map<string, Promise<Authorization>>();
  readonly #credentials = new Map<string, Promise<Credential | undefined>>();
  #sender: Promise<Sender> | undefined;
  #address: string | undefined;
  #isPlain: Promise<boolean> | undefined;

  constructor(endpoint: Endpoint, options: SessionOptions) {
    this.host = endpoint.host;
    this.policy = { attempts: options.attempts ?? usual.attempts, delay: options.delay ?? usual.delay };
    const { connections } = options;
    this.places = { in: slots(connections ?? usual.incoming), out: slots(connections ?? usual.outgoing) };
    this.#endpoint = endpoint;
    this.#options = options;
    this.#stall = options.stall ?? usual.stall;
  }

  /**
   * Sends a request again while its failure may pass.
   *
   * @throws WhittleError `REGISTRY_DENIED`, `REGISTRY_REFUSED`, `NOT_FOUND`, `NETWORK`
   */
  request(request: RegistryRequest): Promise<RegistryAnswer> {
    const about = { doing: request.doing, hint: this.#hint() };
    const attempts = Math.min(request.attempts ?? this.policy.attempts, this.policy.attempts);
    return retrying(about, { ...this.policy, attempts }, request.signal, () => this.once(request));
  }

  /**
   * Sends a request for a document, and reads it; again, while its failure may pass and when it breaks off.
   *
   * @throws WhittleError as {@link request}, `ARCHIVE_HOSTILE` when it is longer than a document may be
   */
  document(request: RegistryRequest): Promise<RegistryAnswer & { readonly bytes: Buffer }> {
    const about = { doing: request.doing, hint: this.#hint() };
    return retrying(about, this.policy, request.signal, async () => {
      const sent = await this.once(request);
      return { ...sent, bytes: await documentOf(sent.answer, request.doing) };
    });
  }

  /**
   * Sends a request once, after showing what the registry wants to see. What may pass is thrown as the http folder's
   * `HttpStatus` or `Transient`.
   */
  async once(request: RegistryRequest): Promise<RegistryAnswer> {
    const scope = request.scopes.join(" ");
    const known = await this.#known(scope);
    let sent = await this.#send(request, known?.header);
    // Who was redirected to may not ask for what belongs to the registry: its challenge could name any token server.
    if (sent.answer.statusCode === 401 && sent.own) {
      const header = headerOf(sent.answer, "www-authenticate") ?? "";
      const { body } = sent.answer;
      const shown = await this.#authorized(scope, known, header, sent.address, request).catch(
        async (error: unknown) => {
          // What nobody reads would hold its connection, and the program, until it counts as stalled.
          await body.dump();
          throw error;
        },
      );
      if (shown !== undefined && shown.header !== known?.header) {
        await body.dump();
        sent = await this.#send(request, shown.header);
      }
    }
    if (request.expected.includes(sent.answer.statusCode)) return sent;
    const { host } = new URL(sent.answer.origin);
    throw await refusal(sent.answer, request.doing, {
      ...{ host: this.host, isElsewhere: !sent.own },
      called: sent.own ? undefined : `${host}, where ${this.host} keeps it,`,
    });
  }

  /** A hint for connections that fail. */
  #hint(): string {
    const plain =
      this.#endpoint.addresses.length === 1 ? "; a registry without TLS has to be marked insecure" : "";
    return `check the address, the connection and the proxy variables${plain}`;
  }

  async #known(scope: string): Promise<Authorization | undefined> {
    const known = await this.#shown.get(scope)?.catch(() => undefined);
    if (known !== undefined && known.until > Date.now()) return known;
    this.#shown.delete(scope);
    return undefined;
  }

  /** Several requests that are told to show something at the same time ask for one token. */
  async #authorized(
    scope: string,
    refused: Authorization | undefined,
    header: string,
    address: string,
    request: RegistryRequest,
  ): Promise<Authorization | undefined> {
    const current = await this.#known(scope);
    if (current !== undefined && current.header !== refused?.header) return current;
    const challenges = parseChallenges(header);
    if (challenges.length === 0) return undefined;
    const made = (async () => {
      const { doing, scopes, signal } = request;
      const credential = await this.#credentialFor(scopes);
      return authorize(
        challenges,
        { doing, host: this.host, scopes, credential, signal, address },
        await this.#opened(),
      );
    })();
    this.#shown.set(scope, made);
    made.catch(() => this.#shown.delete(scope));
    return made;
  }

  /** What a repository is read or written with; one that is mounted from comes after it in the scopes. */
  #credentialFor([scope = ""]: readonly string[]): Promise<Credential | undefined> {
    const repository = /^repository:([^:]+):/.exec(scope)?.[1];
    const known = this.#credentials.get(repository ?? "");
    if (known !== undefined) return known;
    const found = this.#options.credential(this.host, repository);
    this.#credentials.set(repository ?? "", found);
    return found;
  }

  /** Where to send a request; of several places one, once it is known to be the right one. */
  async #addresses(signal: AbortSignal): Promise<readonly string[]> {
    if (this.#address !== undefined) return [this.#address];
    const { host, addresses } = this.#endpoint;
    const plain = addresses.find((address) => address.startsWith("http:"));
    // Another machine is spoken to in plain HTTP only after TLS has failed.
    if (plain === undefined || !isLoopback(host)) return addresses;
    this.#isPlain ??= speaksPlainHttp(plain, signal);
    return (await this.#isPlain) ? [plain] : addresses;
  }

  #opened(): Promise<Sender> {
    this.#sender ??= openSender(this.#options.environment, this.#stall, this.#endpoint.tls);
    return this.#sender;
  }

  async #send(
    request: RegistryRequest,
    authorization: string | undefined,
  ): Promise<RegistryAnswer & { readonly own: boolean }> {
    const send = await this.#opened();
    const addresses = await this.#addresses(request.signal);
    for (const [at, origin] of addresses.entries()) {
      const address = new URL(request.path, `${origin}/v2/`).href;
      const own = new URL(address).origin === new URL(origin).origin;
      try {
        const answer = await send(address, {
          method: request.method,
          headers: {
            ...(authorization === undefined || !own ? {} : { authorization }),
            ...request.headers,
          },
          ...(request.body === undefined
            ? {}
            : { body: request.body instanceof Uint8Array ? request.body : request.body() }),
          signal: request.signal,
          bulk: request.bulk === true,
        });
        this.#address ??= origin;
        return { answer, address, own: answer.origin === new URL(origin).origin };
      } catch (error) {
        const last = at === addresses.length - 1;
        if (last || !isSystemError(error) || !noTls.test(`${error.code} ${error.message}`)) throw error;
      }
    }
    throw new Error(`the registry ${this.host} has no address`);
  }
}
