import { createApp } from "vue";
import App from "./App.vue";
import "./design/base.css";
import { applyTheme } from "./design/theme";
import { createLiveClient } from "./live/client";
import { markDocument } from "./words";

applyTheme();
markDocument();
createApp(App, { client: createLiveClient() }).mount("#app");
