// What Sequences do with their input, 1 to 6, by methods of scramjet's streams.
//
// As a Sequence it runs the chain that its argument names; `node chains.js LIBRARY` runs all of them on DataStreams of
// the library itself. Both give what the chain does, as JSON. Not run is what the library does by the clock, and its
// child processes, which have one second to come up.

const { PassThrough, Readable } = require("node:stream");

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const objects = () => new PassThrough({ objectMode: true });

const chains = {
  catch: (input) =>
    input
      .map((n) => {
        if (n === 2) throw new Error("two");
        return n;
      })
      .catch((e) => `no ${e.cause.message}`),
  "catch that drops": (input) =>
    input
      .map((n) => {
        if (n % 2) throw new Error("odd");
        return n;
      })
      .catch(() => undefined),
  "catch that throws": (input) =>
    input
      .map(() => {
        throw new Error("a");
      })
      .catch((_e) => {
        throw new Error("b");
      }),
  "catch of a stream that is named": (input) => {
    const s = input.map((n) => n.x.y);
    s.catch(() => 0);
    return s;
  },
  uncaught: (input) =>
    input
      .map((_n) => {
        throw new RangeError("first");
      })
      .filter(() => true)
      .tap(),
  write: (input) => {
    input.write(0);
    return input.map((n) => n * 2);
  },
  whenWrote: (input) => input.whenWrote(0).then(() => input),
  raise: (input) => {
    let caught;
    const s = input
      .map((n) => n)
      .catch((e) => {
        caught = e.message;
      });
    return s.raise(new Error("r")).then(() => caught);
  },
  tee: (input) => {
    const seen = [];
    return input
      .tee((s) => s.each((n) => seen.push(n)))
      .toArray()
      .then((all) => [all, seen]);
  },
  assign: (input) =>
    input
      .map((n) => ({ n }))
      .assign({ a: 1 })
      .assign(async ({ n }) => ({ m: n * 2 })),
  consume: (input) => {
    let sum = 0;
    return input
      .consume((n) => {
        sum += n;
      })
      .then(() => sum);
  },
  "consume generator": (input) => {
    let s = 0;
    return input
      .consume(function* () {
        for (;;) s += yield;
      })
      .then(() => s);
  },
  toStringStream: (input) => input.toStringStream(),
  "toStringStream by": (input) =>
    input
      .toStringStream((n) => `<${n}>`)
      .append("!")
      .prepend("?"),
  toBufferStream: (input) => input.toBufferStream((n) => Buffer.from([n])).map((b) => b.toString("hex")),
  bufferify: (input) => input.bufferify((n) => Buffer.from(`${n}`)).toStringStream(),
  accumulate: (input) =>
    input.accumulate((all, n) => {
      all.push(n);
    }, []),
  distribute: (input) => typeof input.distribute,
  separate: (input) =>
    input
      .separate((n) => n % 2)
      .mux()
      .toArray()
      .then((all) => all.sort()),
  group: (input) =>
    input
      .group((n) => n % 2)
      .mux()
      .toArray()
      .then((all) => all.sort()),
  slice: (input) => input.slice(1, 3),
  "slice to the end": (input) => input.slice(2),
  "slice of a map": (input) => input.map((n) => n + 1).slice(0, 2),
  peek: (input) => {
    let head;
    return input
      .peek(2, (two) => {
        head = two;
      })
      .toArray()
      .then((all) => [head, all]);
  },
  shift: (input) => {
    let head;
    return input
      .shift(2, (two) => {
        head = two;
      })
      .toArray()
      .then((rest) => [head, rest]);
  },
  pop: (input) => {
    let head;
    return input
      .pop(1, (one) => {
        head = one;
      })
      .toArray()
      .then((rest) => [head, rest]);
  },
  timeBatch: (input) => input.timeBatch(60_000, 4),
  rate: (input) => input.rate(1000),
  nagle: (input) => typeof input.nagle,
  keep: (input) => {
    const s = input.keep(3);
    return s.toArray();
  },
  rewind: (input) => input.keep(3).rewind(),
  stack: (input) => typeof input.stack,
  window: (input) => input.window(3).map((w) => [...w]),
  join: (input) => input.join("-"),
  "join by": (input) => input.join((a, b) => `${a}${b}`),
  remap: (input) =>
    input.remap((emit, n) => {
      emit(n);
      emit(-n);
    }),
  flatten: (input) => input.map((n) => [n, n]).flatten(),
  flatMap: (input) => input.flatMap((n) => [n, n * 10]),
  empty: (input) => {
    let was = false;
    return input
      .empty(() => {
        was = true;
      })
      .toArray()
      .then((all) => [was, all]);
  },
  "empty of none": (input) => {
    let was;
    return input
      .filter(() => 0)
      .empty(() => {
        was = 1;
      })
      .toArray()
      .then((all) => [was, all]);
  },
  into: (input) => input.into((out, n) => out.whenWrote(n * 2), new (input.tap().constructor)()),
  pull: (input) => {
    const s = input.filter((n) => n > 4).tap();
    s.pull([7, 8]);
    return s.toArray().then((all) => all.sort());
  },
  concat: (input) => input.concat(Readable.from([7, 8])),
  while: (input) => input.while((n) => n < 3),
  until: (input) => input.until((n) => n === 3),
  run: (input) => {
    let sum = 0;
    return input
      .do((n) => {
        sum += n;
      })
      .tap()
      .run()
      .then(() => sum);
  },
  "light run": (input) => {
    let sum = 0;
    return input
      .do((n) => {
        sum += n;
      })
      .run()
      .then(() => sum);
  },
  each: (input) => {
    const seen = [];
    const s = input.each((n) => seen.push(n));
    return s.whenEnd().then(() => seen);
  },
  "each, tapped": (input) => {
    const seen = [];
    input.tap().each((n) => seen.push(n));
    return input.whenEnd().then(() => seen);
  },
  all: (input) => input.all([(n) => n + 1, async (n) => n * 2]),
  race: (input) => input.race([(n) => n + 1, () => new Promise(() => {})]),
  unorder: (input) => input.unorder((n) => n + 1),
  copy: (input) => input.copy(),
  toGenerator: (input) => {
    const next = input.toGenerator()();
    return Promise.resolve(next.next().value);
  },
  endWith: (input) => input.endWith(8, 9),
  unshift: (input) =>
    input
      .tap()
      .unshift(8)
      .map((n) => n),
  reduceNow: (input) => {
    const into = { sum: 0 };
    input.reduceNow((a, n) => {
      a.sum += n;
      return a;
    }, into);
    return input.whenEnd().then(() => into);
  },
  reduce: (input) => input.tap().reduce((sum, n) => sum + n, 0),
  "light reduce": (input) => input.reduce((sum, n) => sum + n, 0),
  toArray: (input) => input.map((n) => n).toArray([0]),
  toJSONArray: (input) =>
    input
      .toJSONArray()
      .toArray()
      .then((parts) => parts.join("")),
  toJSONObject: (input) =>
    input
      .toJSONObject((n) => `k${n}`)
      .toArray()
      .then((parts) => parts.join("")),
  CSVStringify: (input) =>
    input
      .map((n) => ({ n, m: n * 2 }))
      .CSVStringify()
      .toArray()
      .then((parts) => parts.join("")),
  exec: (input) => typeof input.exec,
  delegate: (input) => typeof input.delegate,
  debug: (input) => typeof input.debug,
  graph: (input) => {
    let long;
    input
      .map((n) => n)
      .graph((streams) => {
        long = streams.length > 0;
      });
    return long;
  },
  whenRead: (input) => input.whenRead(),
  whenDrained: (input) => typeof input.whenDrained().then,
  setOptions: (input) => {
    let now = 0,
      most = 0;
    return input
      .setOptions({ maxParallel: 2 })
      .map(async (n) => {
        most = Math.max(most, ++now);
        await null;
        await pause(5);
        now--;
        return n;
      })
      .toArray()
      .then((all) => [all, most <= 2]);
  },
  "use of a stream": (input) => input.use(objects()),
  "use of a generator function": (input) =>
    input.use(async function* (s) {
      for await (const n of s) yield n + 1;
    }),
  "use of a function": (input) => input.use((s, n) => s.map((m) => m + n), 10),
  "map to a class": (input) => input.map((n) => `${n}`, input.toStringStream().constructor).map((s) => s.length),
  "batch and more": (input) =>
    input
      .batch(2)
      .map((pair) => pair.length)
      .slice(0, 2),
  "stringify and more": (input) =>
    input
      .stringify((n) => `${n};`)
      .tap()
      .map((s) => `${s}.`),
  "filter and more": (input) =>
    input
      .filter(async (n) => n > 2)
      .do(() => {})
      .until((n) => n > 4)
      .tap(),
  "on data": (input) => {
    const s = input.map((n) => n + 1).tap();
    const seen = [];
    s.on("data", (n) => seen.push(n));
    return s.whenEnd().then(() => seen);
  },
  "listener from before": (input) => {
    const seen = [];
    input.on("end", () => seen.push("end"));
    return input
      .tap()
      .toArray()
      .then(() => seen);
  },
  pipe: (input) => input.tap().pipe(objects()),
};

async function collect(chain, input) {
  try {
    const result = await chain(input);
    if (typeof result?.pipe !== "function") return JSON.stringify(result) ?? "undefined";
    const items = [];
    for await (const item of result) items.push(item);
    return JSON.stringify(items);
  } catch (error) {
    const { name, message } = error.cause ?? error;
    return `${name}: ${message}`;
  }
}

module.exports = (input, name) => collect(chains[name], input);

async function runAll(library) {
  const { DataStream } = require(library);
  const results = {};
  for (const [name, chain] of Object.entries(chains)) {
    const late = pause(10_000).then(() => "late");
    const input = Readable.from([1, 2, 3, 4, 5, 6]).pipe(new DataStream());
    results[name] = await Promise.race([collect(chain, input), late]);
  }
  console.log(JSON.stringify(results));
  process.exit();
}

if (require.main === module) runAll(process.argv[2]);
