import type { Store } from "../../store/index.ts";
import type { Access } from "./access.ts";
import { beginUpload, continueUpload, deleteBlob, type Parts, sendBlob } from "./blob-requests.ts";
import { Contents } from "./contents.ts";
import { Documents } from "./documents.ts";
import { Downloads } from "./downloads.ts";
import { answer, answerJson, type Exchange, pageOf } from "./exchange.ts";
import {
  deleteManifest,
  listReferrers,
  sendManifest,
  type TakeParts,
  takeManifest,
} from "./manifest-requests.ts";
import type { Metrics } from "./metrics.ts";
import { Refused } from "./refused.ts";
import type { Route } from "./route.ts";
import { Transfers } from "./transfers.ts";
import { type UploadLimits, Uploads } from "./uploads.ts";

/** Leads each request to what answers it. */
export class Dispatch {
  readonly uploads: Uploads;
  readonly #store: Store;
  readonly #contents: Contents;
  readonly #transfers: Transfers;
  readonly #downloads = new Downloads();
  readonly #documents = new Documents();
  readonly #metrics: Metrics;
  readonly #access: Access;

  constructor(store: Store, limits: UploadLimits, metrics: Metrics, access: Access) {
    this.#store = store;
    this.#metrics = metrics;
    this.#access = access;
    this.#contents = new Contents(store);
    this.#transfers = new Transfers(store);
    this.uploads = new Uploads(store, limits);
  }

  /** Takes up what the server before this one left, and throws away what nobody went on with. */
  async restore(): Promise<void> {
    await this.#transfers.restore();
    await this.uploads.expire();
  }

  /** @throws Refused with what there is to be said to the client */
  async answer(route: Route | undefined, exchange: Exchange): Promise<void> {
    if (route === undefined) {
      return answer(exchange, 404, { "content-type": "text/plain" }, "There is nothing here.\n");
    }
    allow(exchange, methods[route.kind]);
    const { method = "" } = exchange.request;
    switch (route.kind) {
      case "base":
        return answerJson(exchange, {});
      case "health":
        return answerJson(exchange, { status: "ok" });
      case "token":
        return answerJson(exchange, await this.#access.grant(exchange.request.headers.authorization), {
          "cache-control": "no-store",
        });
      case "metrics":
        return this.#tellMetrics(exchange);
      case "catalog":
        return this.#catalog(exchange);
      case "tags":
        return this.#tags(exchange, route.repository);
      case "referrers":
        return listReferrers(exchange, route.repository, route.digest, this.#store);
      case "manifest":
        return this.#manifest(exchange, method, route.repository, route.reference);
      case "blob":
        return method === "DELETE"
          ? deleteBlob(exchange, route.digest, this.#store)
          : sendBlob(exchange, route.repository, route.digest, this.#parts);
      case "uploads":
        return beginUpload(exchange, route.repository, this.#parts);
      case "upload":
        return continueUpload(exchange, route.repository, route.session, this.#parts);
    }
  }

  get #parts(): Parts & TakeParts {
    return {
      ...{ store: this.#store, uploads: this.uploads, transfers: this.#transfers },
      ...{ downloads: this.#downloads, documents: this.#documents },
    };
  }

  async #manifest(exchange: Exchange, method: string, repository: string, reference: string): Promise<void> {
    switch (method) {
      case "PUT":
        return takeManifest(exchange, repository, reference, this.#parts);
      case "DELETE":
        return deleteManifest(exchange, repository, reference, this.#contents);
      default:
        return sendManifest(exchange, repository, reference, this.#parts, this.#contents);
    }
  }

  async #tellMetrics(exchange: Exchange): Promise<void> {
    const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
    answer(exchange, 200, headers, this.#metrics.text(await this.uploads.count()));
  }

  async #catalog(exchange: Exchange): Promise<void> {
    const { page, headers } = pageOf(exchange, "/v2/_catalog", await this.#contents.repositories());
    answerJson(exchange, { repositories: page }, headers);
  }

  async #tags(exchange: Exchange, repository: string): Promise<void> {
    const tags = await this.#contents.tags(repository);
    if (tags === undefined) throw new Refused("NAME_UNKNOWN", `there is no repository ${repository}`);
    const { page, headers } = pageOf(exchange, `/v2/${repository}/tags/list`, tags);
    answerJson(exchange, { name: repository, tags: page }, headers);
  }
}

const reads = ["GET", "HEAD"];
const methods: Readonly<Record<Route["kind"], readonly string[]>> = {
  ...{
    base: reads,
    health: reads,
    token: reads,
    metrics: reads,
    catalog: reads,
    tags: reads,
    referrers: reads,
  },
  manifest: [...reads, "PUT", "DELETE"],
  blob: [...reads, "DELETE"],
  uploads: ["POST"],
  upload: [...reads, "PATCH", "PUT", "DELETE"],
};

/** @throws Refused `UNSUPPORTED`, which tells what is possible (RFC 9110, section 15.5.6) */
function allow({ request: { method = "" } }: Exchange, possible: readonly string[]): void {
  if (possible.includes(method)) return;
  throw new Refused("UNSUPPORTED", `${method} is not possible here`, { allow: possible.join(", ") });
}
