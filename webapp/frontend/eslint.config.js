import eslint from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** What starts something that goes on by itself belongs to a scope that ends it. */
const leaks = [
  {
    selector: "CallExpression[callee.property.name='addEventListener'][arguments.length<3]",
    message: "Pass { signal } (or { once: true }) so that the listener ends with its owner.",
  },
  {
    selector: "CallExpression[callee.name='addEventListener'][arguments.length<3]",
    message: "Pass { signal } (or { once: true }) so that the listener ends with its owner.",
  },
];
const frames = [
  { name: "requestAnimationFrame", message: "Use the scope helper (scope.ts): it cancels the frame." },
  { name: "setInterval", message: "Use the scope helper (scope.ts): it clears the interval." },
];

export default defineConfig(
  globalIgnores(["node_modules", "test-results", "playwright-report"]),
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["eslint.config.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-console": "error",
      "no-eval": "error",
      "no-restricted-globals": ["error", ...frames],
      "no-restricted-properties": [
        "error",
        ...frames.flatMap(({ name, message }) =>
          ["window", "globalThis", "self"].map((object) => ({ object, property: name, message })),
        ),
      ],
      "no-restricted-syntax": ["error", ...leaks],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    // The one place where the raw calls are wrapped.
    files: ["src/**/scope.ts"],
    rules: {
      "no-restricted-globals": "off",
      "no-restricted-properties": "off",
      "no-restricted-syntax": "off",
    },
  },
  {
    files: ["**/*.test.ts", "**/*.test.tsx", "e2e/**/*.ts"],
    rules: {
      "no-restricted-globals": "off",
      "no-restricted-properties": "off",
      "no-restricted-syntax": "off",
      // `array[0]!` of something just asserted is clearer in a test than a guard.
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  {
    files: ["**/*.js", "**/*.mjs"],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      globals: Object.fromEntries(
        [
          "Buffer",
          "console",
          "fetch",
          "Headers",
          "process",
          "Response",
          "self",
          "URL",
          "URLSearchParams",
          "window", // scripts hand functions to pages
        ].map((name) => [name, "readonly"]),
      ),
    },
    rules: { "no-console": "off", "@typescript-eslint/explicit-module-boundary-types": "off" },
  },
);
