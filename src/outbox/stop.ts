/**
 * Ends one try from outside: its time is over, its lease is lost, its process stops. A class, because
 * there is one per try: an object with getters of its own takes forty times as long to make.
 */
export class Stop {
  readonly #controller = new AbortController();
  #reason: Error | undefined;
  #tell: ((reason: Error) => void) | undefined;

  /** Why the try has to end; undefined while it may go on. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** For what the handler calls. It is not made before somebody asks for it. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The first call counts. */
  stop(reason: Error): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller.abort(reason);
    this.#tell?.(reason);
  }

  /** What a try comes to, or a rejection as soon as it has to end. For one try. */
  orStopped<T>(result: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#tell = reject;
      result.then(resolve, reject);
      if (this.#reason) reject(this.#reason);
    });
  }
}
