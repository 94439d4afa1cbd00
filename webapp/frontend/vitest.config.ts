import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    environment: "node",
    testTimeout: 60_000, // for machines with much else to do: only a test that hangs takes as long
    hookTimeout: 60_000,
  },
});
