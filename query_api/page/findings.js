// What an answer of /operations means: what is broken, and what is only late.
import { counted, duration, spans } from "./format.js";

/** Sentences; those of `broken` need somebody, those of `late` need time. Commands are in backticks. */
export function findings({ api, other_apis: others, gateways, groups, groups_trouble: trouble, audit, held }) {
  const broken = [];
  const late = [];
  if (trouble) broken.push(`Kafka does not report its consumer groups: ${trouble}`);
  if (api.trouble) broken.push(`The query API reads nothing new: ${api.trouble}`);
  else if (!api.ready) late.push("The query API has not caught up yet");
  for (const other of others.filter(({ ready }) => !ready)) {
    const name = other.instance ? ` (${other.instance})` : "";
    (other.lag === null ? broken : late).push(`The query API at ${other.url}${name} is not ready: ${other.trouble}`);
  }
  for (const gateway of gateways.filter(({ ready }) => !ready)) {
    broken.push(`The gateway at ${gateway.url} takes no commands: ${gateway.trouble}`);
  }
  const free = unowned(api, gateways);
  if (free.length && gateways.some(({ ready }) => ready)) {
    late.push(`No gateway has ${free.length === 1 ? "partition" : "the partitions"} ${spans(free)} at the moment: whichever gets a command writes it`);
  }
  for (const group of groups) {
    const wait = `${counted(group.lag, "event")} ${group.lag === 1 ? "waits" : "wait"}${group.lag_seconds ? `, the oldest for ${duration(group.lag_seconds)}` : ""}`;
    if (group.broken) broken.push(`${group.name} ${group.health === "stuck" ? "is stuck" : "has stopped"}: ${wait}; ${group.advice}`);
    else if (group.health !== "caught_up") late.push(`${group.name} is ${group.health}: ${wait}`);
  }
  if (audit && (!audit.ready || audit.trouble)) late.push(`The audit at ${audit.url} compares nothing: ${audit.trouble}`);
  else if (audit && audit.oldest_seconds > audit.period_seconds) late.push(`Some rows were not compared with their events for ${duration(audit.oldest_seconds)}`);
  if (audit?.differences) broken.push(`${counted(audit.differences, "row")} ${audit.differences === 1 ? "differs" : "differ"} from what the events make: \`library replay --to-beginning\` computes them anew`);
  for (const { group, partition, seconds } of worst(audit?.stalls ?? [])) {
    // The query API's own view of its groups may be wrong: that is what the audit is for
    if (!groups.some(({ name, broken: known }) => known && name === group)) broken.push(`${group} has not moved in partition ${partition} for ${duration(seconds)} although events wait there, as the audit sees it: \`library groups\``);
  }
  if (held.count) broken.push(`${counted(held.count, "title")} ${held.count === 1 ? "is" : "are"} held: an event can't be applied`);
  return { broken, late };
}

/** The longest stall of each group. */
function worst(stalls) {
  const longest = new Map();
  for (const stall of stalls) if (!(longest.get(stall.group)?.seconds >= stall.seconds)) longest.set(stall.group, stall);
  return [...longest.values()];
}

/** The partitions that no gateway has. */
function unowned(api, gateways) {
  const owned = new Set(gateways.flatMap(({ partitions }) => partitions));
  return api.partitions.map(({ partition }) => partition).filter((partition) => !owned.has(partition));
}
