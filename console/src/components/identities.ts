import { words } from "./format";

const NAMES: Readonly<Record<string, string>> = {
  customer_id: "Customer ID",
  email: "Email address",
  facebook: "Facebook ID",
  facebook_custom_audience_id: "Facebook custom audience ID",
  google: "Google ID",
  microsoft: "Microsoft ID",
  twitter: "Twitter handle",
  yahoo: "Yahoo ID",
  ios_advertising_id: "Apple IDFA",
  ios_idfv: "Apple IDFV",
  android_advertising_id: "Google Advertising ID",
  android_uuid: "Android Device ID",
  amp_id: "AMP ID",
  mp_deviceid: "Device application stamp",
};

/** What marketers call a type of identity. */
export function identityName(type: string): string {
  if (type.endsWith("_sha256")) return `${identityName(type.slice(0, -"_sha256".length))} SHA256`;
  return NAMES[type] ?? words(type).replace(/\bid\b/g, "ID");
}

export function identityNames(types: readonly string[]): string {
  return types.map(identityName).join(", ");
}
