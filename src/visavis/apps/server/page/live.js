import{c as t}from"./assets/client-CWUhVP8R.js";export{t as createLiveClient};
