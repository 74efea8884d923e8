import{c as t}from"./assets/client-B0A_i_sF.js";export{t as createLiveClient};
