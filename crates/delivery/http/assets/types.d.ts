// The resources of the API as the page uses them. For the checker only: not served.
export interface Message {
  id: string; topic: string; message: string; attributes: Record<string, string>; processed_at: string;
}
export interface DeadLetter extends Message { attempts: number; reason?: string; died_at: string }
export interface Page { messages: Message[]; next: string | null; prev: string | null; truncated: boolean }
export interface Receipt { id: string; topic: string; durability: string; processed_at: string; pod: string }
export interface Topic { topic: string; count: number; first_id: string; last_id: string }
export interface Delivery {
  name: string; state: 'waiting' | 'in_flight' | 'dead' | 'settled'; attempt: number | null; due_at: string | null;
  lease_expires_at: string | null; reason: string | null; died_at: string | null;
}
export interface Attempt {
  at: string; attempt: number; error?: string; message_id: string; milliseconds: number; status?: number;
}
export interface Limit {
  name: string; routes: string[]; limit: number; used: number; remaining: number; reset_seconds: number;
  window_seconds: number;
}
export interface Problem {
  detail?: string; code?: string; errors?: { field: string; code: string; message: string }[];
}
export interface StreamEvent { id?: string; event: string; data: string }
export interface Finding { kind: 'none' | 'id' | 'time' | 'filter'; text: string; since?: string }
export interface Sample { name: string; labels: Record<string, string>; value: number }
export interface Readings {
  at: number; requests: number; errors: number; buckets: Map<number, number>;
  uptime: number; streams: number;
}
export type Texts = Record<string, string | ((a: any, b?: any) => string) | Record<string, string>>;
