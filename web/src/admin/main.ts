import { createApp } from "vue";
import "../design/base.css";
import { applyTheme } from "../design/theme";
import Admin from "./Admin.vue";
import "./admin.css";

applyTheme();
createApp(Admin).mount("#app");
