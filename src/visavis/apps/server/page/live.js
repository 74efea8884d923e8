import{c as t}from"./assets/client-BnxN0gYX.js";export{t as createLiveClient};
