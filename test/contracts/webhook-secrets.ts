/** What the providers signed by Standard Webhooks have in common. */
export const webhookSecrets = {
  secrets: { secret: 'whsec_cG9zdHJvb20tY29udHJhY3Qtc2VjcmV0LW9uZS0wMDE=' },
  nextSecrets: { secret: 'whsec_cG9zdHJvb20tY29udHJhY3Qtc2VjcmV0LXR3by0wMDI=' },
  headers: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  toleranceSeconds: 300,
  covers: 'bytes',
} as const;
