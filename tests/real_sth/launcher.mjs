// Runs the Transform Hub of npm: node launcher.mjs API_PORT RUNNER_PORT FOLDER
// It ends with its standard input, so that it never outlives the program that started it.
import { createRequire } from "node:module";
import { join } from "node:path";

const [apiPort, runnerPort, folder] = process.argv.slice(2);

const here = createRequire(import.meta.url);
const { startHost } = here("@scramjet/host");
// The configuration has to be of the class that the host itself loads, wherever npm has put it.
const { ConfigService } = createRequire(here.resolve("@scramjet/host"))("@scramjet/sth-config");

const service = new ConfigService();
service.update({
    runtimeAdapter: "process",
    logLevel: "ERROR",
    logColors: false,
    telemetry: { status: false },
    host: {
        hostname: "127.0.0.1",
        port: Number(apiPort),
        instancesServerPort: Number(runnerPort),
        infoFilePath: join(folder, "sth-id.json"),
    },
    sequencesRoot: join(folder, "sequences"),
    // Whatever else runs on this machine must not make a start fail.
    instanceRequirements: { freeMem: 1, cpuLoad: 0, freeSpace: 1 },
    safeOperationLimit: 1,
    // ms that an ended Instance stays: as long as a test may take to look at it.
    instanceAdapterExitDelay: 5000,
});

await startHost({}, service.getConfig(), { identifyExisting: false });
process.stdin.on("end", () => process.exit(0)).resume();
