import{c as t}from"./assets/client-5fywQp0B.js";export{t as createLiveClient};
