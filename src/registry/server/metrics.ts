// Upper bounds of the histogram of durations, in seconds.
const bounds = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60] as const;

/** One answered request. */
export interface Answered {
  readonly method: string;
  /** Kind of the route: a few, whatever clients ask for. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  readonly received: number;
  readonly sent: number;
}

interface Series {
  readonly buckets: number[];
  count: number;
  seconds: number;
}

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/** Counts what was answered, for Prometheus. */
export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, Series>();
  #received = 0;
  #sent = 0;
  /** Requests that are being answered. */
  active = 0;

  record({ method, route, status, seconds, received, sent }: Answered): void {
    const known = methods.has(method) ? method : "OTHER";
    const key = `method="${known}",route="${route}",status="${status}"`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    const series = this.#durations.get(route) ?? { buckets: bounds.map(() => 0), count: 0, seconds: 0 };
    this.#durations.set(route, series);
    series.count += 1;
    series.seconds += seconds;
    for (const [at, bound] of bounds.entries()) {
      if (seconds <= bound) series.buckets[at] = (series.buckets[at] ?? 0) + 1;
    }
    this.#received += received;
    this.#sent += sent;
  }

  /** The text exposition format, version 0.0.4. */
  text(uploads: number): string {
    const lines = [
      ...header("whittle_http_requests_total", "counter", "Answered requests."),
      ...[...this.#requests].map(([labels, count]) => `whittle_http_requests_total{${labels}} ${count}`),
      ...header("whittle_http_request_duration_seconds", "histogram", "Time to answer."),
      ...[...this.#durations].flatMap(([route, series]) => histogram(route, series)),
      ...header("whittle_http_received_bytes_total", "counter", "Bytes of request bodies."),
      `whittle_http_received_bytes_total ${this.#received}`,
      ...header("whittle_http_sent_bytes_total", "counter", "Bytes of answers' bodies."),
      `whittle_http_sent_bytes_total ${this.#sent}`,
      ...header("whittle_http_requests_active", "gauge", "Requests that are being answered."),
      `whittle_http_requests_active ${this.active}`,
      ...header("whittle_uploads_open", "gauge", "Uploads that are begun and not ended."),
      `whittle_uploads_open ${uploads}`,
    ];
    return `${lines.join("\n")}\n`;
  }
}

function header(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function histogram(route: string, { buckets, count, seconds }: Series): string[] {
  const name = "whittle_http_request_duration_seconds";
  return [
    ...bounds.map((bound, at) => `${name}_bucket{route="${route}",le="${bound}"} ${buckets[at]}`),
    `${name}_bucket{route="${route}",le="+Inf"} ${count}`,
    `${name}_sum{route="${route}"} ${seconds}`,
    `${name}_count{route="${route}"} ${count}`,
  ];
}
