import { useMutation, useQuery } from "@tanstack/react-query";
import { LIVE_MS } from "./audiences";
import { api, body, ifMatch, onceOnly } from "./client";
import type { components } from "./schema";

type Schemas = components["schemas"];

export function useReceiving() {
  return useQuery({
    queryKey: ["sharing", "receiving"],
    queryFn: () => body(api.GET("/v1/sharing/receiving")),
  });
}

export function useTerms() {
  return useQuery({
    queryKey: ["sharing", "terms"],
    queryFn: () => body(api.GET("/v1/sharing/terms")),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useEditReceiving() {
  return useMutation({
    mutationFn: ({ version, edit }: { version: number; edit: Schemas["ReceivingEdit"] }) =>
      body(api.PATCH("/v1/sharing/receiving", { params: { header: ifMatch(version) }, body: edit })),
  });
}

/** Puts a PNG file where it is told to, and makes it the logo. */
export function useUploadLogo() {
  return useMutation({
    mutationFn: async (file: File) => {
      const upload = await body(api.POST("/v1/sharing/receiving/logo", { body: { size_bytes: file.size } }));
      const sent = await fetch(upload.url, { method: "PUT", headers: upload.headers, body: file });
      if (!sent.ok) throw new Error("The file could not be sent. Try again.");
      const params = { path: { upload_id: upload.id } };
      return body(api.POST("/v1/sharing/receiving/logo/{upload_id}/use", { params }));
    },
  });
}

export function useReceivers(q: string) {
  return useQuery({
    queryKey: ["sharing", "receivers", q],
    queryFn: () =>
      body(api.GET("/v1/sharing/receivers", { params: { query: { q } } })).then((each) => each.items),
  });
}

export function useShared() {
  return useQuery({
    queryKey: ["sharing", "shared"],
    queryFn: () => body(api.GET("/v1/sharing/shared")).then((each) => each.items),
    refetchInterval: LIVE_MS,
  });
}

export function useOffer() {
  return useMutation({
    mutationFn: (offers: Schemas["NewOffers"]) =>
      body(api.POST("/v1/sharing/offers", { params: { header: onceOnly() }, body: offers })),
  });
}

export function useUnshare() {
  return useMutation({
    mutationFn: (id: string) =>
      body(api.DELETE("/v1/sharing/shared/{shared_id}", { params: { path: { shared_id: id } } })),
  });
}

export function useOffers() {
  return useQuery({
    queryKey: ["sharing", "offers"],
    queryFn: () => body(api.GET("/v1/sharing/offers")).then((each) => each.items),
    refetchInterval: LIVE_MS,
  });
}

export function useAnswerOffer() {
  return useMutation({
    mutationFn: async ({ id, answer }: { id: string; answer: "accept" | "reject" }) => {
      const params = { path: { offer_id: id } };
      if (answer === "accept") await body(api.POST("/v1/sharing/offers/{offer_id}/accept", { params }));
      else await body(api.POST("/v1/sharing/offers/{offer_id}/reject", { params }));
    },
  });
}

export function useReceived() {
  return useQuery({
    queryKey: ["sharing", "received"],
    queryFn: () => body(api.GET("/v1/sharing/received")),
    refetchInterval: LIVE_MS,
  });
}

export function useGiveUp() {
  return useMutation({
    mutationFn: (id: string) =>
      body(api.DELETE("/v1/sharing/received/{received_id}", { params: { path: { received_id: id } } })),
  });
}
