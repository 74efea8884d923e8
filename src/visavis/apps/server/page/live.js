import{c as t}from"./assets/client-DBuIKmk4.js";export{t as createLiveClient};
