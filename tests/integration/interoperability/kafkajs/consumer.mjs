// Prints the records of a topic as JSON lines, values decoded with the schemas of a registry, until `count` are read.
import { SchemaRegistry } from "@kafkajs/confluent-schema-registry";
import { Kafka, logLevel } from "kafkajs";

const [broker, topic, groupId, registryUrl, count] = process.argv.slice(2);
const registry = new SchemaRegistry({ host: registryUrl });
const consumer = new Kafka({ brokers: [broker], logLevel: logLevel.ERROR }).consumer({ groupId });
let left = Number(count);

await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, value.toString()]));
    const value = await registry.decode(message.value);
    console.log(JSON.stringify({ key: message.key.toString(), headers, value }, (_, v) => (typeof v === "bigint" ? Number(v) : v)));
    left -= 1;
    if (left === 0) {
      // Not inside the callback, which disconnecting waits for
      setImmediate(() => consumer.disconnect().then(() => process.exit(0)));
    }
  },
});
