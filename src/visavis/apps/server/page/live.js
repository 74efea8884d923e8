import{c as t}from"./assets/client-Dw9qQfhu.js";export{t as createLiveClient};
